"""How well a network does its task on examples it was not trained on."""

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
    """What a network answered on one split, and how good that was.

    Attributes:
        n: examples.
        scores: of all of them.
        indices: (n,) the examples' numbers in their split, ascending.
        right: (n,) which answers are right, in the order of `indices`; None where the task knows no right and wrong.
        outputs: the answers, batch by batch as the task gave them.
        batches: the batches that they answer, without their inputs.
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
    """Scores `net` on the examples of `loader`; afterwards it is on the device and in the mode that it was in.

    Args:
        net: what the task takes.
        loader: each example once.
        task: what the network is to do.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        OptionError: a device that is absent.
        DataError: the loader yields no example.
    """
    outputs, batches = _answers(net, loader, task, resolve_device(device))
    indices = torch.cat([batch.indices for batch in batches])
    order = torch.argsort(indices)
    rights = [task.right(said, batch) for said, batch in zip(outputs, batches, strict=True)]
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
def _answers(
    net: nn.Module, loader: Iterable[Batch], task: Task[Any, Any], device: torch.device
) -> tuple[list[Any], list[Batch]]:
    """The answers to all batches in the order of the loader, and the batches without their inputs, on the CPU."""
    outputs: list[Any] = []
    batches: list[Batch] = []
    with _evaluating(net, device):
        for batch in loader:
            outputs.append(task.predict(net, batch.to(device, non_blocking=True)))
            batches.append(batch.without_inputs())
    if not batches:
        raise DataError("evaluate: there is nothing to score, as the loader yields no batch.")
    return outputs, batches


@contextmanager
def _evaluating(net: nn.Module, device: torch.device) -> Iterator[None]:
    """Inside, `net` is in evaluation mode on `device`; afterwards each of its modules is as it was."""
    modes = [(module, module.training) for module in net.modules()]
    home = next((p.device for p in net.parameters()), device)
    net.eval().to(device)
    try:
        yield
    finally:
        net.to(home)
        for module, mode in modes:
            module.training = mode
