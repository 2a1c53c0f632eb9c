"""The maps of a trained network for a set of images: those of each image, and their mean."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from regard.core.records import Maps
from regard.core.seeding import generator
from regard.explanation.observation import observe
from regard.explanation.paths import Paths

Call = tuple[str, int]
"""A tap's path and the step, see `Map.step`: 0 unless the network calls a module several times in one pass."""


class Recording:
    """Stores the maps of single images, as many as fit into the memory, and the mean over all images.

    If not all fit, those of a random sample of images are stored: each image draws a number, and those above a
    threshold, which falls from image to image, are dropped.

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
    def record(self, net: nn.Module, paths: Paths, indices: Sequence[int]) -> Iterator[None]:
        """Stores the maps of the pass inside the block, which is of the images with these `indices`."""
        with observe(net, paths=paths, device="cpu") as maps:
            yield
        values = group_by_call(maps)
        self.mean.add(values, len(indices))
        for row, index in enumerate(indices if self._memory else ()):
            self._store(index, {call: value[min(row, len(value) - 1)].clone() for call, value in values.items()})

    @property
    def indices(self) -> tuple[int, ...]:
        """The indices of the images with stored maps, in the order of the set."""
        return tuple(sorted(self._rows))

    def maps(self, indices: Sequence[int]) -> dict[Call, list[Tensor]] | None:
        """Returns the maps of those images for each call, without the batch axis; None if one of them is not stored."""
        if any(index not in self._rows for index in indices):
            return None
        return {call: [self._rows[index][call] for index in indices] for call in self._rows[indices[0]]}

    def _store(self, index: int, row: dict[Call, Tensor]) -> None:
        self._drawn[index] = torch.rand((), generator=self._random).item()
        if self._drawn[index] >= self._threshold:
            return
        self._rows[index] = row
        self._bytes += _size(row)
        if self._bytes > self._memory and len(self._rows) > 2:  # two images at least are needed to swap maps
            ordered = sorted(self._rows, key=self._drawn.__getitem__)
            kept = max(2, len(ordered) // 2)
            self._threshold = self._drawn[ordered[kept]]
            self._bytes -= sum(_size(self._rows.pop(index)) for index in ordered[kept:])


class RunningMean:
    """The mean map over images, for each call and each size that its map had."""

    def __init__(self) -> None:
        self._sums: dict[Call, dict[torch.Size, tuple[Tensor, int]]] = {}

    def add(self, values: dict[Call, Tensor], images: int) -> None:
        """Adds the maps (b, c, ...) of a batch of `images`; a map with b = 1 belongs to all images."""
        for call, value in values.items():
            sums = self._sums.setdefault(call, {})
            total, seen = sums.get(value.shape[1:], (0.0, 0))
            sums[value.shape[1:]] = (total + value.double().mean(0) * images, seen + images)

    def like(self, call: Call, own: Tensor) -> Tensor:
        """Returns the mean map (1, c, ...) of this map's size; averaged over positions if no image had the size."""
        sums = self._sums[call]
        if own.shape[1:] in sums:
            total, seen = sums[own.shape[1:]]
            return (total / seen).unsqueeze(0)
        totals = torch.stack([total.flatten(1).mean(1) for total, _ in sums.values()]).sum(0)
        return (totals / sum(seen for _, seen in sums.values())).reshape(1, -1, *(1,) * (own.ndim - 2))


def group_by_call(maps: Maps) -> dict[Call, Tensor]:
    """Returns the maps of one pass by tap and step."""
    return {(path, one.step): one.values for path, seen in maps.items() for one in seen}


def _size(row: dict[Call, Tensor]) -> int:
    return sum(value.nbytes for value in row.values())
