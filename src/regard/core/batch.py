"""The batches that a loader yields and a training step takes."""

from dataclasses import dataclass, replace
from typing import Protocol, Self

import torch
from torch import Tensor


class Batch(Protocol):
    """Examples of any kind with their labels; `ImageBatch` is that of images."""

    @property
    def indices(self) -> Tensor:
        """(b,) int64, each example's number in its split."""

    def __len__(self) -> int:
        """The number of examples."""

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Self:
        """The same batch on another device."""

    def without_inputs(self) -> Self:
        """The part needed to score answers, without a network's inputs: small, to be kept for a whole split."""


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """Images with their labels.

    Attributes:
        images: (b, c, h, w), floating point, normalised; (b, 0) in a batch without inputs.
        labels: (b,) class numbers, int64; (b, k) of 0 and 1, float32, where an image may have several classes.
        indices: (b,) each image's number in its split, int64.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor

    def __len__(self) -> int:
        return len(self.indices)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "ImageBatch":
        """The same batch on another device."""
        moved = (tensor.to(device, non_blocking=non_blocking) for tensor in (self.images, self.labels, self.indices))
        return ImageBatch(*moved)

    def pin_memory(self) -> "ImageBatch":
        """The same batch in memory from which a GPU copies faster; a loader with `pin_memory` calls it."""
        return ImageBatch(self.images.pin_memory(), self.labels.pin_memory(), self.indices.pin_memory())

    def without_inputs(self) -> "ImageBatch":
        """Labels and indices alone."""
        return replace(self, images=self.images.new_empty(len(self), 0))
