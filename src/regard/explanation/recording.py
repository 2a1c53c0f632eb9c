"""The maps of a trained network for a whole set of images: each image's own, and their mean."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from regard.core.records import Maps
from regard.core.seeding import generator
from regard.explanation.observation import observe
from regard.explanation.paths import Paths

Call = tuple[str, int]
"""A tap's path and the step, see `Map.step`: 0, unless the network uses a module several times in one pass."""


class Recording:
    """Remembers the maps of single images, as many as fit into the memory, and the mean over all images.

    Where they do not all fit, a random sample of images is remembered: each image draws a number, and those above
    a threshold, which falls as images come, are forgotten.

    Args:
        memory: bytes for the maps of single images; 0 to keep the mean only.
        seed: of the sample.
    """

    def __init__(self, memory: int, seed: int) -> None:
        self.mean = RunningMean()
        self._memory = memory
        self._random = generator("recording", seed)
        self._threshold = 1.0
        self._drawn: dict[int, float] = {}
        self._rows: dict[int, dict[Call, Tensor]] = {}
        self._bytes = 0

    @contextmanager
    def listening(self, net: nn.Module, paths: Paths, places: Sequence[int]) -> Iterator[None]:
        """Remembers the maps of the pass inside, which is of the images at `places`."""
        with observe(net, paths=paths, device="cpu") as maps:
            yield
        values = by_call(maps)
        self.mean.add(values, len(places))
        for row, place in enumerate(places if self._memory else ()):
            self._remember(place, {call: value[min(row, len(value) - 1)].clone() for call, value in values.items()})

    @property
    def places(self) -> tuple[int, ...]:
        """The images that are remembered, in the order of the set."""
        return tuple(sorted(self._rows))

    def maps(self, places: Sequence[int]) -> dict[Call, list[Tensor]] | None:
        """For each call the maps of those images, without the batch axis; None if one of them was forgotten."""
        if any(place not in self._rows for place in places):
            return None
        return {call: [self._rows[place][call] for place in places] for call in self._rows[places[0]]}

    def _remember(self, place: int, row: dict[Call, Tensor]) -> None:
        self._drawn[place] = torch.rand((), generator=self._random).item()
        if self._drawn[place] >= self._threshold:
            return
        self._rows[place] = row
        self._bytes += _size(row)
        if self._bytes > self._memory and len(self._rows) > 2:  # two are the least that can exchange their maps
            ordered = sorted(self._rows, key=self._drawn.__getitem__)
            kept = max(2, len(ordered) // 2)
            self._threshold = self._drawn[ordered[kept]]
            self._bytes -= sum(_size(self._rows.pop(place)) for place in ordered[kept:])


class RunningMean:
    """The mean map over images, for each call and each size that its map had."""

    def __init__(self) -> None:
        self._sums: dict[Call, dict[torch.Size, tuple[Tensor, int]]] = {}

    def add(self, values: dict[Call, Tensor], images: int) -> None:
        """Takes in the maps (b, c, ...) of a batch of `images`; a map with b = 1 is all images'."""
        for call, value in values.items():
            sums = self._sums.setdefault(call, {})
            total, seen = sums.get(value.shape[1:], (0.0, 0))
            sums[value.shape[1:]] = (total + value.double().mean(0) * images, seen + images)

    def like(self, call: Call, map: Tensor) -> Tensor:
        """The mean map (1, c, ...) for a map of this size; the mean over positions too, if no image had the size."""
        sums = self._sums[call]
        if map.shape[1:] in sums:
            total, seen = sums[map.shape[1:]]
            return (total / seen).unsqueeze(0)
        totals = torch.stack([total.flatten(1).mean(1) for total, _ in sums.values()]).sum(0)
        return (totals / sum(seen for _, seen in sums.values())).reshape(1, -1, *(1,) * (map.ndim - 2))


def by_call(maps: Maps) -> dict[Call, Tensor]:
    """The maps of one pass by tap and step."""
    return {(path, map.step): map.values for path, seen in maps.items() for map in seen}


def _size(row: dict[Call, Tensor]) -> int:
    return sum(value.nbytes for value in row.values())
