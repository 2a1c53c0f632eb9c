"""Cutting and picking: every class keeps its share, equal images stay together, the seed decides."""

import pytest
import torch

from regard.core.errors import DataError
from regard.data.splits import cut, pick, strata

SHARES = {"val": 0.15, "test": 0.15}


def test_the_rarest_class_counts_where_there_are_several():
    labels = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1], [0, 0, 0]]).float()
    assert strata(labels).tolist() == [1, 0, 2, 2, 3]


def test_cut_keeps_shares_and_loses_nothing():
    labels = torch.tensor([0] * 100 + [1] * 40 + [2] * 20)
    indices = cut(labels, SHARES, seed=0)
    assert torch.cat(list(indices.values())).sort().values.tolist() == list(range(160))
    counts = {name: torch.bincount(labels[numbers]).tolist() for name, numbers in indices.items()}
    assert counts == {"rest": [70, 28, 14], "val": [15, 6, 3], "test": [15, 6, 3]}
    assert all((numbers.diff() > 0).all() for numbers in indices.values())


@pytest.mark.parametrize(("size", "counts"), [(1, (1, 0, 0)), (2, (2, 0, 0)), (3, (1, 1, 1)), (4, (2, 1, 1))])
def test_tiny_class_goes_to_training_first(size, counts):
    indices = cut(torch.zeros(size, dtype=torch.int64), SHARES, seed=0)
    assert tuple(len(numbers) for numbers in indices.values()) == counts


def test_the_seed_decides():
    labels = torch.arange(300) % 3
    once, again, other = (cut(labels, SHARES, seed=seed)["val"].tolist() for seed in (0, 0, 1))
    assert once == again != other


def test_equal_images_stay_together():
    labels = torch.arange(300) % 3
    contents = [str(i // 2) for i in range(300)]
    indices = cut(labels, SHARES, seed=0, contents=contents)
    found = [{contents[i] for i in numbers.tolist()} for numbers in indices.values()]
    assert not found[0] & found[1]
    assert not found[0] & found[2]
    assert not found[1] & found[2]
    assert sum(map(len, indices.values())) == 300


def test_cut_with_several_classes_an_image():
    labels = (
        torch.rand(400, 4, generator=torch.Generator().manual_seed(0)) < torch.tensor([0.5, 0.3, 0.1, 0.05])
    ).float()
    indices = cut(labels, SHARES, seed=0)
    for name in ("val", "test"):
        assert (labels[indices[name]].sum(0) > 0).all()


@pytest.mark.parametrize("count", [3, 4, 10, 57, 159])
def test_pick_keeps_shares(count):
    labels = torch.tensor([0] * 100 + [1] * 50 + [2] * 10)
    picked = pick(labels, count, seed=0)
    assert len(picked.unique()) == len(picked) == count
    got = torch.bincount(labels[picked], minlength=3)
    assert got.min() >= 1
    assert ((got - torch.tensor([100, 50, 10]) * count / 160).abs() <= 1.5).all()


def test_pick_depends_on_the_seed():
    labels = torch.arange(90) % 3
    assert pick(labels, 30, seed=0).tolist() == pick(labels, 30, seed=0).tolist() != pick(labels, 30, seed=1).tolist()


@pytest.mark.parametrize("count", [0, 2, 91])
def test_pick_refuses_what_is_not_there(count):
    with pytest.raises(DataError, match="from 3 to 90"):
        pick(torch.arange(90) % 3, count, seed=0)
