"""Cuts a set into splits, and takes subsets, so that every class keeps its share."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from regard.core.errors import DataError
from regard.core.seeding import generator


def strata(labels: Tensor) -> Tensor:
    """(n,) int64: what each image counts as when classes keep their shares.

    Its class; where images may have several classes (n, k), the rarest of its classes, or k where it has none.

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
    """Numbers of the images of each new split, ascending, and under `rest` those of no split.

    A class with more images than there are new splits has at least one image in each, and in the rest.

    Args:
        labels: (n,) classes or (n, k) of 0 and 1.
        shares: for each new split its share of every class.
        seed: decides which images.
        contents: a hash of each image; equal images stay together, so that no split has another's image.
        groups: what each image belongs to, a patient for example; images of one group stay together, and every class
            keeps its share of the groups.
    """
    leader = _leaders(len(labels), [known for known in (contents, groups) if known is not None])
    place = torch.zeros(len(labels), dtype=torch.int64)
    kind = strata(labels)
    leaders = leader.unique()
    if groups is not None:
        kind = _rarest(kind, leader)
    for stratum in kind[leaders].unique().tolist():
        members = _shuffled(leaders[kind[leaders] == stratum], seed, "cut", stratum)
        start = 0
        for number, share in enumerate(shares.values(), start=1):
            count = max(round(len(members) * share), int(len(members) > len(shares)))
            place[members[start : start + count]] = number
            start += count
    place = place[leader]
    return {name: (place == number).nonzero()[:, 0] for number, name in enumerate(("rest", *shares))}


def pick(labels: Tensor, count: int, *, seed: int) -> Tensor:
    """Numbers of `count` images, ascending, every class with its share and at least one image.

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
        _shuffled((kind == k).nonzero()[:, 0], seed, "pick", k)[:c]
        for k, c in zip(kinds.tolist(), counts.tolist(), strict=True)
    ]
    return torch.cat(picked).sort().values


def _leaders(count: int, alike: Sequence[Sequence[str]]) -> Tensor:
    """(count,) int64: for each image the first one that it is kept together with, itself where there is none."""
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


def _rarest(kind: Tensor, leader: Tensor) -> Tensor:
    """(n,) int64: at the place of each leader the class, of all in its group, that the fewest groups have."""
    pairs = torch.stack((kind, leader), 1).unique(dim=0)
    groups = torch.bincount(pairs[:, 0])
    rarest = kind.clone()
    for own, first in sorted(pairs.tolist(), key=lambda pair: -int(groups[pair[0]])):
        rarest[first] = own
    return rarest


def _shuffled(numbers: Tensor, seed: int, *purpose: str | int) -> Tensor:
    return numbers[torch.randperm(len(numbers), generator=generator(seed, *purpose))]
