"""Sets of images that are iterated several times, always in the same order."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from regard.core.answers import is_right
from regard.core.batch import ImageBatch
from regard.core.devices import device_of
from regard.core.errors import DataError, OptionError, ShapeError
from regard.core.returns import logits_of

Batches = Iterable[ImageBatch] | Callable[[], Iterable[ImageBatch]]
"""Batches that can be iterated repeatedly: a list, a loader that does not shuffle, or a function that makes one."""


class ImageSet:
    """Batches with the index of each image in the set; every pass must yield the images in the same order.

    Args:
        batches: see `Batches`.
        name: the name of the set in errors.
    """

    def __init__(self, batches: Batches, name: str) -> None:
        if isinstance(batches, Iterator):
            raise OptionError(
                f"The {name} batches are an iterator, which yields them only once: pass a list, a loader, or a "
                "function that makes the iterator."
            )
        self.batches = batches
        self.name = name
        self._order: list[Tensor] = []
        self._complete = False

    def __iter__(self) -> Iterator[tuple[range, ImageBatch]]:
        """Iterates once: for each batch the indices of its images in the set, from 0 on, and the batch."""
        index = 0
        for number, batch in enumerate(self.batches() if callable(self.batches) else self.batches):
            self._check(number, batch.indices)
            yield range(index, index + len(batch)), batch
            index += len(batch)
        if index == 0:
            raise DataError(f"There are no {self.name} images: the batches are empty.")
        self._complete = True

    def __len__(self) -> int:
        """The number of images in the passes so far."""
        return sum(len(indices) for indices in self._order)

    def _check(self, number: int, indices: Tensor) -> None:
        if not self._complete and number >= len(self._order):
            self._order.append(indices.clone())
        elif number >= len(self._order) or not torch.equal(indices, self._order[number]):
            raise DataError(
                f"The {self.name} images came in another order in a second pass (batch {number}); every pass must "
                "give the same batches: make the loader with shuffle=False."
            )


def right_answers(net: nn.Module, batch: ImageBatch) -> Tensor:
    """Runs a classifier on the batch and returns the correctness of each image.

    Returns:
        (b,) float64 on the CPU: 1 if the answer is right, see `core.answers.is_right`, else 0.

    Raises:
        ShapeError: the network's output is not (b, k).
    """
    outputs = logits_of(net(*batch.to(device_of(net)).network_inputs()))
    if not isinstance(outputs, Tensor) or outputs.ndim != 2 or len(outputs) != len(batch):
        given = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ShapeError(
            f"{type(net).__name__} returned {given} for {len(batch)} images; a classifier must return one row "
            f"of scores for each, ({len(batch)}, classes)."
        )
    return is_right(outputs, batch.labels.to(outputs.device)).cpu().double()
