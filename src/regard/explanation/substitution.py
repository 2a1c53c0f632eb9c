"""Replacement maps for the ablation of a trained network."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count

import torch
from torch import Tensor, nn
from torch.nn import functional

from regard.core.devices import device_of
from regard.core.draws import Draws
from regard.core.errors import DataError, OptionError, ShapeError
from regard.core.kinds import Axis
from regard.core.seeding import generator, key
from regard.core.tap import Tap
from regard.explanation.observation import observe
from regard.explanation.recording import Call, Recording, RunningMean, group_by_call
from regard.explanation.replacement import replace_maps


class Substitution(ABC):
    """Replacement maps for the images of a batch.

    Args:
        taps: the taps whose maps are replaced, by path.
    """

    def __init__(self, taps: Mapping[str, Tap]) -> None:
        self.taps = taps

    @contextmanager
    def apply(self, net: nn.Module) -> Iterator[None]:
        """Replaces the maps inside the block, where `net` runs the prepared batch once."""
        with replace_maps(net, {path: partial(self._next, path, count()) for path in self.taps}):
            yield

    @abstractmethod
    def prepare(self, net: nn.Module, inputs: tuple[Tensor, ...], indices: Sequence[int]) -> None:
        """Prepares a batch of the images with these `indices`, before the maps of `net` are replaced."""

    @abstractmethod
    def substitute(self, call: Call, own: Tensor) -> Tensor:
        """Returns the replacement of `own`, the map (b, c, ...) that the network computed."""

    def _next(self, path: str, calls: Iterator[int], own: Tensor) -> Tensor:
        return self.substitute((path, next(calls)), own).to(own.dtype).to(own.device)


class Neutral(Substitution):
    """The neutral map of each tap."""

    def prepare(self, net: nn.Module, inputs: tuple[Tensor, ...], indices: Sequence[int]) -> None:
        """Does nothing: the map is the same for every image."""

    def substitute(self, call: Call, own: Tensor) -> Tensor:
        """Returns the neutral map of the tap."""
        return self.taps[call[0]].nothing(own[:1])


class Mean(Substitution):
    """The mean map over images: the same for every image."""

    def __init__(self, taps: Mapping[str, Tap], mean: RunningMean) -> None:
        super().__init__(taps)
        self.mean = mean

    def prepare(self, net: nn.Module, inputs: tuple[Tensor, ...], indices: Sequence[int]) -> None:
        """Does nothing: the map is the same for every image of one size."""

    def substitute(self, call: Call, own: Tensor) -> Tensor:
        """Returns the mean map of `own`'s size."""
        return self.mean.like(call, own)


class Swap(Substitution):
    """The maps of another image from an unperturbed pass.

    If all images' maps are stored, the images are swapped by a random derangement of the whole set; otherwise each
    image gets those of a random other one whose maps are stored.
    """

    def __init__(self, taps: Mapping[str, Tap], recording: Recording, images: int, *seed: int | str) -> None:
        super().__init__(taps)
        self.recording = recording
        self.donors = _donors(images, recording.indices, generator("swapped", *seed))
        self._maps: Mapping[Call, Sequence[Tensor]] = {}

    def prepare(self, net: nn.Module, inputs: tuple[Tensor, ...], indices: Sequence[int]) -> None:
        """Looks up the donors' maps."""
        self._maps = self.recording.maps([self.donors[index] for index in indices]) or {}

    def substitute(self, call: Call, own: Tensor) -> Tensor:
        """Returns the donors' maps, resized to `own`'s size where that differs."""
        return torch.stack([_resize(row, own) for row in self._maps[call][: len(own)]])


class Permute(Substitution):
    """The image's own maps of an unperturbed pass with channels, positions or both permuted.

    Each tap has one derangement for all images: of a gate's channels (the same in all branches), of a spatial map's
    positions, of a mixed map's channels and positions, of the keys where positions or channels attend to others, of a
    grid's positions. The location of a glimpse is replaced by a random one, since it is a single point.
    """

    def __init__(self, taps: Mapping[str, Tap], recording: Recording, *seed: int | str) -> None:
        super().__init__(taps)
        for path, tap in taps.items():
            if PERMUTED.keys().isdisjoint(tap.kind.axes) and not _is_glimpse(tap):
                raise OptionError(
                    f"The tap {path!r} passes a map of kind {tap.kind.name!r}, which has neither channels nor "
                    "positions to permute: leave out the mode 'permuted', or choose other taps with paths=."
                )
        self.recording = recording
        self.seed = seed
        self._maps: Mapping[Call, Sequence[Tensor]] = {}
        self._places: Sequence[int] = ()

    def prepare(self, net: nn.Module, inputs: tuple[Tensor, ...], indices: Sequence[int]) -> None:
        """Looks up the images' maps, or computes them again."""
        self._places = indices
        maps = self.recording.maps(indices)
        if maps is None:
            with observe(net, paths=tuple(self.taps)) as seen:
                net(*(tensor.to(device_of(net)) for tensor in inputs))
            maps = {call: list(value) for call, value in group_by_call(seen).items()}
        self._maps = maps

    def substitute(self, call: Call, own: Tensor) -> Tensor:
        """Returns the images' own maps, permuted."""
        path, step = call
        if _is_glimpse(self.taps[path]):
            draws = Draws(key("permuted", path, *self.seed), torch.tensor(self._places[: len(own)]), step=step)
            return 2 * draws.uniform(*own.shape[1:]) - 1
        values = torch.stack(list(self._maps[call][: len(own)])).to(own.device)
        kind = self.taps[path].kind
        for axis in dict.fromkeys(axis for axis in kind.axes if axis in PERMUTED):
            name, span = PERMUTED[axis], kind.span(axis, values.ndim)
            if not span:
                continue
            first, last = span.start, span.stop - 1
            flat = values.flatten(first, last)
            order = derangement(flat.shape[first], generator("permuted", path, name, *self.seed)).to(flat.device)
            values = flat.index_select(first, order).reshape(values.shape)
        return values


PERMUTED = {
    Axis.CHANNEL: "channels",
    Axis.POSITION: "positions",
    Axis.KERNEL: "positions",
    Axis.SOURCE: "positions",
    Axis.CROSS: "positions",
    Axis.FRAME: "frames",
}
"""The axes that are permuted, with their names."""


def _is_glimpse(tap: Tap) -> bool:
    """Returns True if the maps are locations of glimpses on the image."""
    return Axis.COORDINATE in tap.kind.axes and Axis.POSITION not in tap.kind.axes


def derangement(n: int, random: torch.Generator) -> Tensor:
    """Draws a uniform random permutation of 0 .. n - 1 without fixed points; (0,) for n = 1.

    >>> derangement(2, torch.Generator()).tolist()
    [1, 0]
    """
    while True:
        order = torch.randperm(n, generator=random)
        if n < 2 or not (order == torch.arange(n)).any():
            return order


def _donors(images: int, stored: Sequence[int], random: torch.Generator) -> list[int]:
    """Draws for each image of the set another one whose maps are stored."""
    if images < 2:
        raise DataError("There is one image only, so it cannot take another image's maps: give two or more.")
    if len(stored) == images:
        return derangement(images, random).tolist()
    row_of = {index: number for number, index in enumerate(stored)}
    donors = []
    for index in range(images):
        number = int(torch.randint(len(stored) - (index in row_of), (), generator=random))
        donors.append(stored[number + (number >= row_of.get(index, len(stored)))])
    return donors


def _resize(row: Tensor, own: Tensor) -> Tensor:
    """Resizes one image's map (c, ...) to the size of `own` (b, c, ...), by linear interpolation over positions."""
    if row.shape == own.shape[1:]:
        return row
    if row.ndim != own.ndim - 1 or row.shape[0] != own.shape[1] or not 2 <= row.ndim <= 4:
        raise ShapeError(
            f"Two images' maps have shapes {tuple(row.shape)} and {tuple(own.shape[1:])}, which cannot be "
            "resized to each other: give images of one size."
        )
    mode = {2: "linear", 3: "bilinear", 4: "trilinear"}[row.ndim]
    return functional.interpolate(row.unsqueeze(0), size=own.shape[2:], mode=mode, align_corners=False)[0]
