"""`cluttered:SOURCE[:size=60,pieces=4,piece=8]`: images at random positions on a larger canvas, among clutter."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from regard.core.draws import Draws
from regard.core.errors import DataError, OptionError
from regard.core.options import at_least
from regard.core.seeding import key
from regard.core.spec import Spec
from regard.data.images import ArrayImages, DrawnImages, Images, Statistics
from regard.data.source import Holding, Split

CLUTTERED = "cluttered"

_MEASURED = 2000
"""The number of canvases from which the mean and the standard deviation are computed."""


@dataclass(frozen=True)
class Scene:
    """The contents of a canvas besides one image.

    Attributes:
        size: side of the canvas in pixels, at least that of the images.
        pieces: the number of pieces of other images of the same split; 0 only moves the image.
        piece: side of a piece in pixels.
    """

    size: int = 60
    pieces: int = 4
    piece: int = 8

    def __post_init__(self) -> None:
        at_least("cluttered", "size", self.size, 1)
        at_least("cluttered", "pieces", self.pieces, 0)
        at_least("cluttered", "piece", self.piece, 1)


class ClutteredImages(DrawnImages):
    """Canvases, each a function of (seed, split, epoch, index) only.

    A canvas has an image of `base` at a random position and pieces cut from random images of `base` at random
    positions, combined by maximum. They are made in batches, without a loop over images, on the device of `base`.

    Args:
        base: images of one size.
        scene: the size and the clutter of a canvas.
        seed: together with the split's name it determines everything random.
        split: the split's name.
        epoch: the epoch of the canvases; `at_epoch` returns those of another.
        numbers: (n,) the images' numbers in `base`; 0 to n - 1 by default.

    Raises:
        DataError: images larger than the canvas, or pieces larger than the images.

    Example:
        >>> from regard.data import open_source
        >>> train = open_source("cluttered:mnist-mini:size=40,pieces=2").splits["train"]
        >>> train.gather([0, 5]).shape, train.boxes([0]).shape
        (torch.Size([2, 1, 40, 40]), torch.Size([1, 4]))
        >>> bool((train.gather([0]) == train.at_epoch(1).gather([0])).all())
        False
    """

    def __init__(
        self,
        base: ArrayImages,
        scene: Scene,
        *,
        seed: int,
        split: str,
        epoch: int = 0,
        numbers: Tensor | None = None,
    ) -> None:
        height, width = base.images.shape[2:]
        if max(height, width) > scene.size or scene.piece > min(height, width):
            raise DataError(
                f"cluttered: images of {height} x {width} pixels do not go with size={scene.size} and "
                f"piece={scene.piece}: the size must be at least {max(height, width)}, a piece at most "
                f"{min(height, width)}."
            )
        self.base, self.scene, self.seed, self.split, self.epoch = base, scene, seed, split, epoch
        self.numbers = torch.arange(len(base)) if numbers is None else numbers
        self.labels = base.labels[self.numbers]
        self.channels = base.channels

    def at_epoch(self, epoch: int) -> "ClutteredImages":
        """Returns the canvases of another epoch; only those of training images are redrawn each epoch."""
        return self._like(epoch=epoch if self.split == "train" else 0)

    def to_device(self, device: torch.device) -> "ClutteredImages":
        """Returns the same canvases, made on another device."""
        base = self.base
        images = base.images.to(device)
        return self._like(base=ArrayImages(images, base.labels, base.origin, base.numbers, base.called))

    def read(self, index: int) -> Tensor:
        """Returns canvas (c, size, size) uint8."""
        return self.gather([index])[0]

    def gather(self, indices: Sequence[int]) -> Tensor:
        """Returns canvases (b, c, size, size) uint8, on the device of the images."""
        images, device = self.base.images, self.base.images.device
        own = self.numbers[torch.as_tensor(indices)]
        corners, cuts = self._draw(own, device)
        canvas = images.new_zeros(len(own), self.channels, self.scene.size, self.scene.size)
        canvas = _put(canvas, images[own.to(device)], corners[:, 0])
        for number in range(self.scene.pieces):
            other, top, left = cuts[:, number].unbind(1)
            rows, columns = (start[:, None] + torch.arange(self.scene.piece, device=device) for start in (top, left))
            piece = images[other[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
            canvas = torch.maximum(canvas, _put(torch.zeros_like(canvas), piece, corners[:, 1 + number]))
        return canvas

    def boxes(self, indices: Sequence[int]) -> Tensor:
        """Returns (b, 4) int64: left, top, right, bottom of each image on its canvas, the last two exclusive."""
        own = self.numbers[torch.as_tensor(indices)]
        top, left = self._draw(own, torch.device("cpu"))[0][:, 0].unbind(1)
        height, width = self.base.images.shape[2:]
        return torch.stack((left, top, left + width, top + height), 1)

    def _draw(self, own: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """Draws (b, 1 + pieces, 2) top and left of image and pieces; (b, pieces, 3) image, top and left of each cut."""
        height, width = self.base.images.shape[2:]
        size, piece, count = self.scene.size, self.scene.piece, self.scene.pieces
        draws = Draws(key(self.seed, "cluttered", self.split), own.to(device), epoch=self.epoch)
        chance = draws.uniform(1 + count, 5, dtype=torch.float64)
        free = torch.full((1 + count, 2), size - piece + 1, device=device)
        free[0] = torch.tensor((size - height + 1, size - width + 1), device=device)
        cuts = torch.tensor((len(self.base), height - piece + 1, width - piece + 1), device=device)
        return (chance[..., :2] * free).long(), (chance[:, 1:, 2:] * cuts).long()

    def names(self, index: int) -> str:
        """Returns the image's name, for example `x_train[17] among clutter`."""
        return f"{self.base.names(int(self.numbers[index]))} among clutter"

    def take(self, indices: Tensor) -> "ClutteredImages":
        """Returns these canvases unchanged, renumbered from 0."""
        return self._like(numbers=self.numbers[indices])

    def join(self, other: "ClutteredImages") -> "ClutteredImages":
        """Returns canvases of the images of both, redrawn with clutter cut from all of them."""
        numbers = torch.cat((self.numbers, other.numbers + len(self.base)))
        return self._like(base=self.base.join(other.base), numbers=numbers)

    def sizes(self) -> Tensor:
        """Returns (n, 2), all equal."""
        return torch.tensor((self.scene.size, self.scene.size)).expand(len(self), 2)

    def statistics(self) -> Statistics:
        """Computes the statistics of the first canvases of the first epoch."""
        some = self.at_epoch(0).gather(range(min(_MEASURED, len(self)))).cpu()
        return ArrayImages(some, self.labels[: len(some)], "").statistics()

    def contents(self) -> tuple[str, ...]:
        """Returns a hash of each image with its scene and seed; an image in two splits has the same in both."""
        made = repr((self.scene, self.seed))
        return tuple(f"{content} {made}" for content in self.base.take(self.numbers).contents())

    def _like(self, **changed: object) -> "ClutteredImages":
        own = {"base": self.base, "scene": self.scene, "seed": self.seed, "split": self.split, "epoch": self.epoch}
        return ClutteredImages(**{**own, "numbers": self.numbers, **changed})  # type: ignore[arg-type]


def _put(canvas: Tensor, images: Tensor, corners: Tensor) -> Tensor:
    """Puts each image (b, c, h, w) on its canvas at its corner (b, 2), top and left."""
    height, width = images.shape[2:]
    rows = corners[:, :1] + torch.arange(height, device=canvas.device)
    columns = corners[:, 1:] + torch.arange(width, device=canvas.device)
    batch = torch.arange(len(images), device=canvas.device)
    # Fancy indices beside a slice come first: the channels stand last in what is assigned.
    canvas[batch[:, None, None], :, rows[:, :, None], columns[:, None, :]] = images.permute(0, 2, 3, 1)
    return canvas


def open_cluttered(text: str, seed: int, open_inner: Callable[[str], Holding]) -> Holding:
    """Opens the inner source, with canvases made of each split once its images are known.

    Args:
        text: the inner source, and after a colon the options of the scene, as `mnist-mini:size=60,pieces=4`.
        seed: of everything random.
        open_inner: opens the inner source.

    Raises:
        DataError: images that are not in memory in one size, or that do not fit the canvas.
        OptionError: no such option, or a value out of its range.
    """
    inner, scene = _read(text)
    holding = open_inner(inner)

    def made(split: Split, images: Images) -> Images:
        assert isinstance(images, ArrayImages)
        return ClutteredImages(images, scene, seed=seed, split=split)

    in_memory = all(isinstance(part, ArrayImages) for part in holding.parts.values())
    if not in_memory or holding.made is not None:
        raise DataError(
            f"{CLUTTERED}:{text}: the images of {inner} are not in memory in one size: take a shipped set, "
            "npz:PATH or a set of torchvision with small images."
        )
    return replace(holding, name=f"{CLUTTERED}:{text}", made=made, mirror=False)


def _read(text: str) -> tuple[str, Scene]:
    """The inner source and the scene.

    >>> _read("npz:digits.npz:size=100,pieces=8")
    ('npz:digits.npz', Scene(size=100, pieces=8, piece=8))
    >>> _read("mnist-mini")
    ('mnist-mini', Scene(size=60, pieces=4, piece=8))
    """
    inner, _, options = text.rpartition(":")
    if not inner or not re.fullmatch(r"\w+=[^,]*(,\w+=[^,]*)*", options):
        return text, Scene()
    given = Spec.parse(f"cluttered:{options}").options
    known = list(Scene.__dataclass_fields__)
    for name in given:
        if name not in known:
            raise OptionError(f"{CLUTTERED}:{text}: there is no option {name!r}; there are {', '.join(known)}.")
    return inner, Scene(**given)  # type: ignore[arg-type]
