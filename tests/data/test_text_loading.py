import pytest
import torch

from regard.core.vocabulary import BEGIN, END, PAD
from regard.data.pairs import Pairs
from regard.data.text_loading import Bucketed, Ragged, TextCode, text_loader
from regard.data.tsv import open_text


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "a.tsv"
    path.write_text("".join(f"{'a' * (n % 17 + 1)}{n}\t{'b' * (n % 7 + 1)}\n" for n in range(300)))
    return open_text(f"tsv:{path}")


def test_batches_hold_what_the_pairs_say(source):
    code, train = TextCode.learn(source), source.splits["train"]
    seen = []
    for batch in text_loader(train, code, batch_size=16, shuffle=True):
        seen += batch.indices.tolist()
        for row, index in enumerate(batch.indices.tolist()):
            length = int(batch.lengths[row])
            assert code.source.decode([batch.source[row].tolist()]) == [train.sources[index]]
            assert (batch.source[row, length - 1], batch.target[row, 0]) == (END, BEGIN)
            assert bool((batch.source[row, length:] == PAD).all())
            assert code.target.decode([batch.target[row, 1:].tolist()]) == [train.targets[index]]
            assert batch.references[row] == train.references[index]
    assert sorted(seen) == list(range(len(train)))
    empty = batch.without_inputs()
    assert empty.source.numel() == empty.target.numel() == 0
    assert empty.references == batch.references


def test_the_order_follows_from_seed_and_epoch(source):
    code = TextCode.learn(source)

    def order(seed, epoch):
        loader = text_loader(source.splits["train"], code, batch_size=8, seed=seed, shuffle=True)
        loader.batch_sampler.set_epoch(epoch)
        return [batch.indices.tolist() for batch in loader]

    assert order(0, 3) == order(0, 3)
    assert order(0, 3) != order(0, 4)
    assert order(0, 3) != order(1, 3)


def test_texts_of_like_lengths_are_together():
    lengths = torch.randint(1, 50, (1000, 2), generator=torch.Generator().manual_seed(0))
    batches = list(Bucketed(lengths, 10, 0, True))
    assert len(batches) == len(Bucketed(lengths, 10, 0, True)) == 100
    spread = torch.stack([lengths[b, 0].max() - lengths[b, 0].min() for b in batches]).float().mean()
    assert spread < 3


def test_ragged_rows_are_padded():
    rows = Ragged([[1, 2, 3], [4], [5, 6]])
    assert rows.pad(torch.tensor([1, 0])).tolist() == [[4, PAD, PAD], [1, 2, 3]]
    assert rows.rows_with(6) == 1


def test_a_code_comes_back(source):
    code = TextCode.learn(source)
    again = TextCode.from_json(code.to_json(), "a file")
    assert again.to_json() == code.to_json()
    assert code.longest > 8


def test_no_pairs_make_no_batch(source):
    with pytest.raises(ValueError, match="no pairs"):
        text_loader(Pairs((), (), ()), TextCode.learn(source), batch_size=2)
