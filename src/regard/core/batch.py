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

    def network_inputs(self) -> tuple[Tensor, ...]:
        """The arguments with which a network is called, the examples first."""

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

    def network_inputs(self) -> tuple[Tensor]:
        """The images."""
        return (self.images,)

    def without_inputs(self) -> "ImageBatch":
        """Labels and indices alone."""
        return replace(self, images=self.images.new_empty(len(self), 0))


@dataclass(frozen=True, eq=False)
class TextBatch:
    """Texts with what they are to become, as numbers of symbols, see `core.vocabulary`.

    Attributes:
        source: (b, s) int64, each row ending with `END`, padded with `PAD`; (b, 0) in a batch without inputs.
        lengths: (b,) int64, how many symbols each source has, `END` included; it stays on the CPU, where packing
            reads it.
        target: (b, t) int64, `BEGIN`, the answer, `END`, padded with `PAD`; (b, 0) in a batch without inputs.
        references: for each source every text that is right.
        indices: (b,) each example's number in its split, int64.
    """

    source: Tensor
    lengths: Tensor
    target: Tensor
    references: tuple[tuple[str, ...], ...]
    indices: Tensor

    def __len__(self) -> int:
        return len(self.indices)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "TextBatch":
        """The same batch on another device."""
        source, target, indices = (
            tensor.to(device, non_blocking=non_blocking) for tensor in (self.source, self.target, self.indices)
        )
        return replace(self, source=source, target=target, indices=indices)

    def pin_memory(self) -> "TextBatch":
        """The same batch in memory from which a GPU copies faster; a loader calls it where it is asked to."""
        source, target, indices = (tensor.pin_memory() for tensor in (self.source, self.target, self.indices))
        return replace(self, source=source, target=target, indices=indices)

    def network_inputs(self) -> tuple[Tensor, ...]:
        """The sources, their lengths and the targets without their last symbol, which a network is to predict."""
        return self.source, self.lengths, self.target[:, :-1]

    def without_inputs(self) -> "TextBatch":
        """References and indices alone."""
        none = self.source.new_empty(len(self), 0)
        return replace(self, source=none, target=none)


@dataclass(frozen=True, eq=False)
class ClipBatch:
    """Clips, or sounds, of unequal length with their labels.

    Attributes:
        inputs: (b, c, t, h, w) of clips, (b, c, t) of sounds and sensors, floating point, normalised, zero where
            padded; (b, 0) in a batch without inputs.
        mask: (b, t) True where there is a frame.
        labels: (b,) class numbers, int64.
        indices: (b,) each clip's number in its split, int64.
    """

    inputs: Tensor
    mask: Tensor
    labels: Tensor
    indices: Tensor

    def __len__(self) -> int:
        return len(self.indices)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "ClipBatch":
        """The same batch on another device."""
        fields = (self.inputs, self.mask, self.labels, self.indices)
        return ClipBatch(*(tensor.to(device, non_blocking=non_blocking) for tensor in fields))

    def pin_memory(self) -> "ClipBatch":
        """The same batch in memory from which a GPU copies faster; a loader calls it where it is asked to."""
        return ClipBatch(*(tensor.pin_memory() for tensor in (self.inputs, self.mask, self.labels, self.indices)))

    def network_inputs(self) -> tuple[Tensor, Tensor]:
        """The clips and their mask."""
        return self.inputs, self.mask

    def without_inputs(self) -> "ClipBatch":
        """Mask, labels and indices."""
        return replace(self, inputs=self.inputs.new_empty(len(self), 0))


@dataclass(frozen=True, eq=False)
class CaptionBatch:
    """Images with the texts that are to be written about them.

    Attributes:
        images: (b, c, h, w), floating point, normalised; (b, 0) in a batch without inputs.
        target: (b, t) int64, `BEGIN`, the text, `END`, padded with `PAD`; (b, 0) in a batch without inputs.
        references: for each image every text that is right.
        indices: (b,) each example's number in its split, int64.
    """

    images: Tensor
    target: Tensor
    references: tuple[tuple[str, ...], ...]
    indices: Tensor

    def __len__(self) -> int:
        return len(self.indices)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "CaptionBatch":
        """The same batch on another device."""
        images, target, indices = (
            tensor.to(device, non_blocking=non_blocking) for tensor in (self.images, self.target, self.indices)
        )
        return replace(self, images=images, target=target, indices=indices)

    def pin_memory(self) -> "CaptionBatch":
        """The same batch in memory from which a GPU copies faster; a loader calls it where it is asked to."""
        images, target, indices = (tensor.pin_memory() for tensor in (self.images, self.target, self.indices))
        return replace(self, images=images, target=target, indices=indices)

    def network_inputs(self) -> tuple[Tensor, Tensor]:
        """The images and the targets without their last symbol, which a network is to predict."""
        return self.images, self.target[:, :-1]

    def without_inputs(self) -> "CaptionBatch":
        """References and indices alone."""
        none = self.target.new_empty(len(self), 0)
        return replace(self, images=self.images.new_empty(len(self), 0), target=none)
