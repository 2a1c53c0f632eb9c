"""Cuts a set into splits, and takes subsets, so that every class keeps its share."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from regard.core.errors import DataError
from regard.core.seeding import generator


def strata(labels: Tensor) -> Tensor:
    """Returns the stratum of each image, (n,) int64, by which classes keep their shares.

    It is the class; with several classes an image (n, k), the rarest of its classes, or k if it has none.

    >>> strata(torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]))
    tensor([1, 0, 2])
    """
    if labels.ndim == 1:
        return labels
    rarity = torch.where(labels > 0, labels.sum(0), torch.inf)
    smallest, rarest = rarity.min(1)
    return torch.where(smallest.isinf(), labels.shape[1], rarest)


def cut(
    labels: Tensor,
    shares: Mapping[str, float],
    *,
    seed: int,
    contents: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
) -> dict[str, Tensor]:
    """Cuts splits; returns the indices of the images of each, ascending, and under `rest` the others.

    A class with more images than there are new splits has at least one image in each, and in the rest.

    Args:
        labels: (n,) classes or (n, k) of 0 and 1.
        shares: for each new split its share of every class.
        seed: of the choice of images.
        contents: a hash of each image; equal images stay in one split.
        groups: the group of each image, a patient for example; groups stay in one split, and every class keeps its
            share of the groups.
    """
    leader = _leaders(len(labels), [known for known in (contents, groups) if known is not None])
    split = torch.zeros(len(labels), dtype=torch.int64)
    kind = strata(labels)
    leaders = leader.unique()
    if groups is not None:
        kind = _rarest_class(kind, leader)
    for stratum in kind[leaders].unique().tolist():
        members = _shuffle(leaders[kind[leaders] == stratum], seed, "cut", stratum)
        start = 0
        for number, share in enumerate(shares.values(), start=1):
            count = max(round(len(members) * share), int(len(members) > len(shares)))
            split[members[start : start + count]] = number
            start += count
    split = split[leader]
    return {name: (split == number).nonzero()[:, 0] for number, name in enumerate(("rest", *shares))}


def pick(labels: Tensor, count: int, *, seed: int) -> Tensor:
    """Picks `count` images, every class with its share and at least one image; returns their indices, ascending.

    Raises:
        DataError: there are fewer images, or more classes, than `count`.
    """
    kind = strata(labels)
    kinds, sizes = kind.unique(return_counts=True)
    if not len(kinds) <= count <= len(labels):
        raise DataError(
            f"A subset of {count} images cannot be taken from {len(labels)} images of {len(kinds)} classes: "
            f"choose a number from {len(kinds)} to {len(labels)}."
        )
    shares = sizes.double() * count / len(labels)
    counts = shares.floor().clamp_min(1).long()
    for _ in range(int(counts.sum()) - count):
        counts[torch.where(counts > 1, counts - shares, -torch.inf).argmax()] -= 1
    for _ in range(count - int(counts.sum())):
        counts[torch.where(counts < sizes, shares - counts, -torch.inf).argmax()] += 1
    picked = [
        _shuffle((kind == k).nonzero()[:, 0], seed, "pick", k)[:c]
        for k, c in zip(kinds.tolist(), counts.tolist(), strict=True)
    ]
    return torch.cat(picked).sort().values


def _leaders(count: int, alike: Sequence[Sequence[str]]) -> Tensor:
    """Returns for each image the index of the first one in its group, (count,) int64; its own without a group."""
    leader = list(range(count))

    def first(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    for names in alike:
        known: dict[str, int] = {}
        for i, name in enumerate(names):
            one, other = sorted((first(i), first(known.setdefault(name, i))))
            leader[other] = one
    return torch.tensor([first(i) for i in range(count)], dtype=torch.int64)


def _rarest_class(kind: Tensor, leader: Tensor) -> Tensor:
    """Returns (n,) int64, at the index of each leader the class of its group that the fewest groups have."""
    pairs = torch.stack((kind, leader), 1).unique(dim=0)
    groups = torch.bincount(pairs[:, 0])
    rarest = kind.clone()
    for own, first in sorted(pairs.tolist(), key=lambda pair: -int(groups[pair[0]])):
        rarest[first] = own
    return rarest


def _shuffle(numbers: Tensor, seed: int, *purpose: str | int) -> Tensor:
    return numbers[torch.randperm(len(numbers), generator=generator(seed, *purpose))]
