"""Images with labels, one split of a source: the interface, and images in memory."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from regard.data.splits import pick


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each channel, of values from 0 to 1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of_moments(cls, mean: Tensor, square: Tensor) -> "Statistics":
        """Makes statistics from the (c,) means of the values and of their squares."""
        std = (square - mean**2).clamp_min(0).sqrt()
        return cls(*(tuple(round(v, 6) for v in x.tolist()) for x in (mean, std)))


class Images(ABC):
    """One split: images, each with its index and label.

    Attributes:
        labels: (n,) class numbers, int64; or (n, k) of 0 and 1, float32, if an image may have several classes.
        channels: 1 for grey, 3 for RGB.
        groups: the group of each, a patient for example, which no cut separates; None if unknown.
    """

    labels: Tensor
    channels: int
    groups: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, count: int, seed: int) -> "Images":
        """Returns `count` of the images, every class with its share, renumbered from 0."""
        return self if count == len(self) else self.take(pick(self.labels, count, seed=seed))

    @abstractmethod
    def read(self, index: int) -> Tensor:
        """Returns one image (c, h, w) uint8."""

    @abstractmethod
    def gather(self, indices: Sequence[int]) -> Tensor | list[Tensor]:
        """Returns several images: one tensor (b, c, h, w) where that is cheap, else one tensor an image."""

    @abstractmethod
    def names(self, index: int) -> str:
        """Returns the image's name in its source: a file, or an array with an index."""

    @abstractmethod
    def take(self, indices: Tensor) -> "Images":
        """Returns these images, renumbered from 0."""

    @abstractmethod
    def join(self, other: Self) -> Self:
        """Returns these images and then those of `other`, of the same source."""

    @abstractmethod
    def sizes(self) -> Tensor:
        """Returns (m, 2) int64, height and width of every image, or of some if all would have to be decoded."""

    @abstractmethod
    def statistics(self) -> Statistics:
        """Computes the statistics of the channels, with equal weight for every image."""

    @abstractmethod
    def contents(self) -> tuple[str, ...] | None:
        """Returns a hash of each image's content, or None if all would have to be decoded."""


class DrawnImages(Images):
    """Images that are drawn: each is a function of (seed, split, epoch, index) only."""

    @abstractmethod
    def at_epoch(self, epoch: int) -> "DrawnImages":
        """Returns the images of another epoch; only training images are redrawn each epoch."""


class ArrayImages(Images):
    """Images of one size in memory.

    Args:
        images: (n, c, h, w) uint8.
        labels: (n,) int64 or (n, k) float32.
        origin: the name of their array; images are named `origin[number]`.
        numbers: (n,) the images' numbers in it; 0 to n - 1 by default.
        called: the name of each, instead of those of `origin` and `numbers`.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        origin: str,
        numbers: Tensor | None = None,
        called: tuple[str, ...] | None = None,
    ) -> None:
        self.images = images
        self.labels = labels
        self.channels = images.shape[1]
        self.origin = origin
        self.numbers = torch.arange(len(images)) if numbers is None else numbers
        self.called = called

    def read(self, index: int) -> Tensor:
        """Returns one image (c, h, w) uint8."""
        return self.images[index]

    def gather(self, indices: Sequence[int]) -> Tensor:
        """Returns several images (b, c, h, w) uint8."""
        return self.images[torch.as_tensor(indices)]

    def names(self, index: int) -> str:
        """Returns the image's name, for example `x_train[17]`."""
        return f"{self.origin}[{int(self.numbers[index])}]" if self.called is None else self.called[index]

    def take(self, indices: Tensor) -> "ArrayImages":
        """Returns a copy of these images."""
        called = None if self.called is None else tuple(self.called[i] for i in indices.tolist())
        return ArrayImages(self.images[indices], self.labels[indices], self.origin, self.numbers[indices], called)

    def join(self, other: "ArrayImages") -> "ArrayImages":
        """Returns a copy of both; every image keeps its name."""
        called = tuple(part.names(i) for part in (self, other) for i in range(len(part)))
        images, labels = torch.cat((self.images, other.images)), torch.cat((self.labels, other.labels))
        return ArrayImages(images, labels, self.origin, called=called)

    def sizes(self) -> Tensor:
        """Returns (n, 2), all equal."""
        return torch.tensor(self.images.shape[2:]).expand(len(self), 2)

    def statistics(self) -> Statistics:
        """Computes the exact statistics of all images."""
        counts = torch.stack(
            [torch.bincount(self.images[:, c].reshape(-1).int(), minlength=256) for c in range(self.channels)]
        )
        shares = counts.double() / counts.sum(1, keepdim=True)
        values = torch.arange(256).double() / 255
        return Statistics.of_moments(shares @ values, shares @ values**2)

    def contents(self) -> tuple[str, ...]:
        """Returns a hash of each image's values."""
        rows = self.images.contiguous().numpy()
        return tuple(hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest() for row in rows)
