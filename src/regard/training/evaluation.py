"""Evaluation of a network on a task."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from regard.core.batch import Batch
from regard.core.devices import resolve_device
from regard.core.errors import DataError
from regard.core.scores import Scores
from regard.training.tasks.task import Task


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """The outputs and scores of a network on one split.

    Attributes:
        n: number of examples.
        scores: scores over all examples.
        indices: (n,) indices of the examples in their split, ascending.
        right: (n,) True for correct outputs, in the order of `indices`; None if the task does not define correctness.
        outputs: outputs of the task, batch by batch.
        batches: the batches without their inputs.
    """

    n: int
    scores: Scores
    indices: Tensor
    right: Tensor | None
    outputs: tuple[Any, ...]
    batches: tuple[Any, ...]


def evaluate(
    net: nn.Module, loader: Iterable[Batch], task: Task[Any, Any], *, device: str | torch.device = "auto"
) -> Evaluation:
    """Scores `net` on the examples of `loader`; its device and mode are restored afterwards.

    Args:
        net: a network for the task.
        loader: yields each example once.
        task: the task to score.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        OptionError: the device is not available.
        DataError: the loader yields no batch.
    """
    outputs, batches = _predict(net, loader, task, resolve_device(device))
    indices = torch.cat([batch.indices for batch in batches])
    order = torch.argsort(indices)
    rights = [task.right(output, batch) for output, batch in zip(outputs, batches, strict=True)]
    known = [right for right in rights if right is not None]
    return Evaluation(
        n=len(indices),
        scores=task.score(outputs, batches),
        indices=indices[order],
        right=torch.cat(known)[order] if len(known) == len(rights) else None,
        outputs=tuple(outputs),
        batches=tuple(batches),
    )


@torch.no_grad()
def _predict(
    net: nn.Module, loader: Iterable[Batch], task: Task[Any, Any], device: torch.device
) -> tuple[list[Any], list[Batch]]:
    """Returns the outputs of all batches in the order of the loader, and the batches without inputs, on the CPU."""
    outputs: list[Any] = []
    batches: list[Batch] = []
    with _evaluation_mode(net, device):
        for batch in loader:
            outputs.append(task.predict(net, batch.to(device, non_blocking=True)))
            batches.append(batch.without_inputs())
    if not batches:
        raise DataError("evaluate: there is nothing to score, as the loader yields no batch.")
    return outputs, batches


@contextmanager
def _evaluation_mode(net: nn.Module, device: torch.device) -> Iterator[None]:
    """Moves `net` to `device` in evaluation mode; restores device and mode of each module afterwards."""
    modes = [(module, module.training) for module in net.modules()]
    home = next((p.device for p in net.parameters()), device)
    net.eval().to(device)
    try:
        yield
    finally:
        net.to(home)
        for module, mode in modes:
            module.training = mode
