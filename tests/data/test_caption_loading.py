import pytest
import torch

from regard.core import DataError
from regard.core.vocabulary import BEGIN, END
from regard.data import CaptionCode, caption_loader, open_captions, preprocessing_for
from tests.recipes.captions import write_captions


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return open_captions(write_captions(tmp_path_factory.mktemp("captions")))


@pytest.fixture(scope="module")
def code(source):
    return CaptionCode.learn(source, preprocessing_for(source.images()))


def test_batches_hold_images_with_their_texts(source, code):
    train = source.splits["train"]
    (batch,) = caption_loader(train, code, batch_size=100)
    assert batch.images.shape == (len(train), 1, 8, 16)
    assert code.target.decode(batch.target[:, 1:].tolist()) == list(train.targets)
    assert (batch.target[:, 0] == BEGIN).all()
    assert ((batch.target == END).sum(1) == 1).all()
    assert batch.references == train.references
    fixed = code.preprocessing.eval()
    torch.testing.assert_close(batch.images[3], fixed(train.images.read(3)))


def test_an_epoch_follows_from_seed_and_number(source, code):
    def epoch(number, seed=0):
        loader = caption_loader(
            source.splits["train"], code, batch_size=8, augment="light", seed=seed, shuffle=True, drop_last=True
        )
        loader.sampler.set_epoch(number)
        return torch.cat([batch.images for batch in loader])

    assert torch.equal(epoch(1), epoch(1))
    assert not torch.equal(epoch(1), epoch(2))
    assert not torch.equal(epoch(1), epoch(1, seed=1))


def test_too_few_make_no_batch(source, code):
    with pytest.raises(DataError, match="make no batch of 100"):
        caption_loader(source.splits["val"], code, batch_size=100, drop_last=True)
