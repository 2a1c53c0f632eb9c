"""What stands in for a trained network's maps when it is asked whether it needs them."""

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
from regard.explanation.recording import Call, Recording, RunningMean, by_call
from regard.explanation.replacement import replaced


class Substitution(ABC):
    """Other maps for the images of a batch.

    Args:
        taps: where the maps are replaced.
    """

    def __init__(self, taps: Mapping[str, Tap]) -> None:
        self.taps = taps

    @contextmanager
    def applied(self, net: nn.Module) -> Iterator[None]:
        """Inside, `net` runs the prepared batch once, with other maps."""
        with replaced(net, {path: partial(self._next, path, count()) for path in self.taps}):
            yield

    @abstractmethod
    def prepare(self, net: nn.Module, images: Tensor, places: Sequence[int]) -> None:
        """Gets ready for a batch, of the images at `places`, while `net` is still as it was trained."""

    @abstractmethod
    def map(self, call: Call, own: Tensor) -> Tensor:
        """What stands in for `own`, the map that the network made itself (b, c, ...)."""

    def _next(self, path: str, calls: Iterator[int], own: Tensor) -> Tensor:
        return self.map((path, next(calls)), own).to(own.dtype).to(own.device)


class Neutral(Substitution):
    """The map that does nothing."""

    def prepare(self, net: nn.Module, images: Tensor, places: Sequence[int]) -> None:
        """Nothing: the map is the same for every image."""

    def map(self, call: Call, own: Tensor) -> Tensor:
        """What the tap says does nothing."""
        return self.taps[call[0]].nothing(own[:1])


class Mean(Substitution):
    """The mean map over images: the same for every image."""

    def __init__(self, taps: Mapping[str, Tap], mean: RunningMean) -> None:
        super().__init__(taps)
        self.mean = mean

    def prepare(self, net: nn.Module, images: Tensor, places: Sequence[int]) -> None:
        """Nothing: the map is the same for every image of one size."""

    def map(self, call: Call, own: Tensor) -> Tensor:
        """The mean map of `own`'s size."""
        return self.mean.like(call, own)


class Swapped(Substitution):
    """The maps that another image got in an unperturbed pass.

    Where all images' maps are remembered, every image gives its maps to exactly one other (a random derangement
    of the whole set); else each image takes those of a random other one that is remembered.
    """

    def __init__(self, taps: Mapping[str, Tap], recording: Recording, images: int, *seed: int | str) -> None:
        super().__init__(taps)
        self.recording = recording
        self.donors = _donors(images, recording.places, generator("swapped", *seed))
        self._maps: Mapping[Call, Sequence[Tensor]] = {}

    def prepare(self, net: nn.Module, images: Tensor, places: Sequence[int]) -> None:
        """Looks up the donors' maps."""
        self._maps = self.recording.maps([self.donors[place] for place in places]) or {}

    def map(self, call: Call, own: Tensor) -> Tensor:
        """The donors' maps, resized to `own`'s size where that differs."""
        return torch.stack([_resized(row, own) for row in self._maps[call][: len(own)]])


class Permuted(Substitution):
    """The image's own maps of an unperturbed pass with channels, positions or both in another order.

    One order for each tap, in which nothing stays in its place, for all images: a gate's channels (the same order
    in all branches), a spatial map's positions, a mixed map's channels and positions; where positions or channels look
    at others, those that are looked at; a grid's places. A glimpse's place, which has no others to change with, becomes
    a random one.
    """

    def __init__(self, taps: Mapping[str, Tap], recording: Recording, *seed: int | str) -> None:
        super().__init__(taps)
        for path, tap in taps.items():
            if PERMUTED.keys().isdisjoint(tap.kind.axes) and not _is_place(tap):
                raise OptionError(
                    f"The tap {path!r} passes a map of kind {tap.kind.name!r}, which has neither channels nor "
                    "positions to permute: leave out the mode 'permuted', or choose other taps with paths=."
                )
        self.recording = recording
        self.seed = seed
        self._maps: Mapping[Call, Sequence[Tensor]] = {}
        self._places: Sequence[int] = ()

    def prepare(self, net: nn.Module, images: Tensor, places: Sequence[int]) -> None:
        """Looks the images' maps up, or has the network make them once more."""
        self._places = places
        maps = self.recording.maps(places)
        if maps is None:
            with observe(net, paths=tuple(self.taps)) as seen:
                net(images.to(device_of(net)))
            maps = {call: list(value) for call, value in by_call(seen).items()}
        self._maps = maps

    def map(self, call: Call, own: Tensor) -> Tensor:
        """The images' own maps in another order."""
        path, step = call
        if _is_place(self.taps[path]):
            draws = Draws(key("permuted", path, *self.seed), torch.tensor(self._places[: len(own)]), step=step)
            return 2 * draws.uniform(*own.shape[1:]) - 1
        values = torch.stack(list(self._maps[call][: len(own)])).to(own.device)
        kind = self.taps[path].kind
        for axis in dict.fromkeys(axis for axis in kind.axes if axis in PERMUTED):
            what, span = PERMUTED[axis], kind.span(axis, values.ndim)
            if not span:
                continue
            first, last = span.start, span.stop - 1
            flat = values.flatten(first, last)
            order = derangement(flat.shape[first], generator("permuted", path, what, *self.seed)).to(flat.device)
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
"""The axes that are put into another order, with the name of each."""


def _is_place(tap: Tap) -> bool:
    """Whether its maps are places on the image, one for each glimpse."""
    return Axis.COORDINATE in tap.kind.axes and Axis.POSITION not in tap.kind.axes


def derangement(n: int, random: torch.Generator) -> Tensor:
    """A random order of 0 .. n - 1, uniform among those in which nothing stays in its place; (0,) for n = 1.

    >>> derangement(2, torch.Generator()).tolist()
    [1, 0]
    """
    while True:
        order = torch.randperm(n, generator=random)
        if n < 2 or not (order == torch.arange(n)).any():
            return order


def _donors(images: int, remembered: Sequence[int], random: torch.Generator) -> list[int]:
    """For each image of the set another one whose maps are remembered."""
    if images < 2:
        raise DataError("There is one image only, so it cannot take another image's maps: give two or more.")
    if len(remembered) == images:
        return derangement(images, random).tolist()
    place_of = {place: number for number, place in enumerate(remembered)}
    donors = []
    for place in range(images):
        number = int(torch.randint(len(remembered) - (place in place_of), (), generator=random))
        donors.append(remembered[number + (number >= place_of.get(place, len(remembered)))])
    return donors


def _resized(row: Tensor, own: Tensor) -> Tensor:
    """One image's map (c, ...) in the size of `own` (b, c, ...), by linear interpolation over positions."""
    if row.shape == own.shape[1:]:
        return row
    if row.ndim != own.ndim - 1 or row.shape[0] != own.shape[1] or not 2 <= row.ndim <= 4:
        raise ShapeError(
            f"Two images' maps have shapes {tuple(row.shape)} and {tuple(own.shape[1:])}, which no resizing makes "
            "equal: give images of one size."
        )
    mode = {2: "linear", 3: "bilinear", 4: "trilinear"}[row.ndim]
    return functional.interpolate(row.unsqueeze(0), size=own.shape[2:], mode=mode, align_corners=False)[0]
