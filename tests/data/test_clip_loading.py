import pytest
import torch

from regard.core.errors import DataError
from regard.data import ArrayClips, ClipPreprocessing, clip_loader


@pytest.fixture
def clips():
    lengths = torch.arange(10) % 4 + 2
    values = torch.arange(int(lengths.sum())).float()[:, None].expand(-1, 2).contiguous()
    return ArrayClips.of(values, lengths, torch.arange(10) % 3, "x")


PLAIN = ClipPreprocessing("sound", 2, (0.0, 0.0), (1.0, 1.0))


def test_batches_are_padded_to_their_longest(clips):
    for batch in clip_loader(clips, PLAIN, batch_size=4):
        assert batch.inputs.shape[2] == batch.mask.shape[1] == int(batch.mask.sum(1).max())
        assert (batch.inputs.transpose(1, 2)[~batch.mask] == 0).all()
        for row, index in enumerate(batch.indices.tolist()):
            assert torch.equal(batch.inputs[row, :, batch.mask[row]], clips.read(index))
            assert batch.labels[row] == clips.labels[index]


def test_the_order_follows_from_seed_and_epoch(clips):
    def order(seed, epoch):
        loader = clip_loader(clips, PLAIN, batch_size=4, seed=seed, shuffle=True)
        loader.sampler.set_epoch(epoch)
        return torch.cat([batch.indices for batch in loader]).tolist()

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2) != order(1, 2)
    assert sorted(order(0, 1)) == list(range(10))


def test_frames_follow_from_seed_epoch_and_index():
    clips = ArrayClips.of(torch.arange(400).float()[:, None], torch.full((4,), 100), torch.zeros(4).long(), "x")
    chosen = ClipPreprocessing("sound", 1, (0.0,), (1.0,), frames=5, sampling="random")

    def frames(epoch, batch_size, *, training=True):
        loader = clip_loader(clips, chosen, batch_size=batch_size, training=training)
        loader.sampler.set_epoch(epoch)
        return torch.cat([batch.inputs for batch in loader])

    assert torch.equal(frames(1, 1), frames(1, 4))
    assert not torch.equal(frames(1, 4), frames(2, 4))
    assert torch.equal(frames(1, 4, training=False), frames(2, 4, training=False))


def test_a_batch_moves_and_sheds_its_inputs(clips):
    batch = next(iter(clip_loader(clips, PLAIN, batch_size=4)))
    assert len(batch.to("cpu")) == 4
    assert batch.network_inputs()[1] is batch.mask
    bare = batch.without_inputs()
    assert bare.inputs.shape == (4, 0)
    assert bare.labels is batch.labels


def test_no_clips_are_an_error(clips):
    with pytest.raises(DataError, match="make no batch"):
        clip_loader(clips.take(torch.arange(3)), PLAIN, batch_size=4, drop_last=True)
