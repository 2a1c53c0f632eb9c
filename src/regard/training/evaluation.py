"""How well a network does on pictures it was not trained on."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from regard.core.answers import answers, is_right
from regard.core.batch import Batch
from regard.core.devices import resolve_device
from regard.core.errors import DataError
from regard.training.metrics import (
    Bin,
    Number,
    average_precisions,
    calibration_error,
    confusion,
    f1_scores,
    mean,
    recalls,
    reliability,
)
from regard.training.objectives import Objective


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """What a network said of n pictures with k classes, and how good that was. Shares are from 0 to 1.

    Attributes:
        n: pictures.
        classes: their k names.
        multi_label: whether a picture may have several classes, or none.
        accuracy: the share of right pictures; with several labels, of pictures whose labels are all right.
        balanced_accuracy: the mean of the classes' recalls, classes without pictures left out.
        loss: mean cross-entropy, of labels' yes and no with several labels; without smoothing or class weights.
        recall: a class, the share of its pictures that are found; None where it has no pictures.
        confusion: k x k counts, rows the true classes, columns the answers; empty with several labels.
        ece: expected calibration error over 15 bins of confidence (of single labels, with several labels).
        reliability: the bins.
        average_precision: a class, with several labels; else empty. None where no picture has the class.
        f1: the same.
        indices: (n,) the pictures' numbers in their split, ascending.
        predictions: (n,) the answers, in the order of `indices`; (n, k) of 0 and 1 with several labels.
        correct: (n,) whether each picture is right, in the order of `indices`.
    """

    n: int
    classes: tuple[str, ...]
    multi_label: bool
    accuracy: float
    balanced_accuracy: float
    loss: float
    recall: tuple[Number, ...]
    confusion: tuple[tuple[int, ...], ...]
    ece: float
    reliability: tuple[Bin, ...]
    average_precision: tuple[Number, ...]
    f1: tuple[Number, ...]
    indices: Tensor
    predictions: Tensor
    correct: Tensor

    @property
    def mean_average_precision(self) -> float | None:
        """The mean over the classes that some picture has; None where each picture has one class."""
        return mean(self.average_precision) if self.multi_label else None

    def to_json(self) -> dict[str, Any]:
        """Everything but the answers picture by picture, as JSON values without NaN."""
        pictures = ("indices", "predictions", "correct")
        plain = {name: value for name, value in vars(self).items() if name not in pictures}
        plain["reliability"] = [asdict(b) for b in self.reliability]
        return plain | {"mean_average_precision": self.mean_average_precision}


def evaluate(
    net: nn.Module,
    loader: Iterable[Batch],
    classes: tuple[str, ...],
    *,
    multi_label: bool = False,
    device: str | torch.device = "auto",
) -> Evaluation:
    """Scores `net` on the pictures of `loader`; afterwards it is on the device and in the mode that it was in.

    Args:
        net: from pictures (b, c, h, w) to logits (b, k).
        loader: each picture once.
        classes: k names.
        multi_label: whether labels are (b, k) of 0 and 1.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        OptionError: a device that is absent.
        DataError: the loader yields no picture.
    """
    logits, labels, indices = outputs(net, loader, resolve_device(device))
    order = torch.argsort(indices)
    logits, labels, indices = logits[order], labels[order], indices[order]
    scored = _of_labels(logits, labels) if multi_label else _of_classes(logits, labels, len(classes))
    return Evaluation(
        n=len(labels),
        classes=tuple(classes),
        multi_label=multi_label,
        loss=float(Objective(len(classes), multi_label=multi_label)(logits, labels)),
        indices=indices,
        **scored,
    )


@torch.no_grad()
def outputs(net: nn.Module, loader: Iterable[Batch], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (n, k) in float32, labels and indices of all pictures, on the CPU, in the order of the loader."""
    seen: list[tuple[Tensor, Tensor, Tensor]] = []
    with _evaluating(net, device):
        for batch in loader:
            logits = net(batch.images.to(device, non_blocking=True))
            seen.append((logits.float().cpu(), batch.labels, batch.indices))
    if not seen:
        raise DataError("evaluate: there are no pictures to score.")
    logits, labels, indices = (torch.cat(parts) for parts in zip(*seen, strict=True))
    return logits, labels, indices


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


def _of_classes(logits: Tensor, labels: Tensor, classes: int) -> dict[str, Any]:
    predictions = answers(logits, multi_label=False)
    confidence = torch.softmax(logits, dim=1).gather(1, predictions.unsqueeze(1)).squeeze(1)
    correct = is_right(logits, labels)
    matrix = confusion(predictions, labels, classes)
    bins = reliability(confidence, correct)
    recall = recalls(matrix)
    return {
        "accuracy": int(correct.sum()) / len(labels),
        "balanced_accuracy": mean(recall),
        "recall": recall,
        "confusion": tuple(map(tuple, matrix.tolist())),
        "ece": calibration_error(bins),
        "reliability": bins,
        "average_precision": (),
        "f1": (),
        "predictions": predictions,
        "correct": correct,
    }


def _of_labels(logits: Tensor, labels: Tensor) -> dict[str, Any]:
    probability = torch.sigmoid(logits)
    predictions = answers(logits, multi_label=True)
    right = predictions.bool() == (labels > 0.5)
    correct = is_right(logits, labels)
    bins = reliability(torch.maximum(probability, 1 - probability).flatten(), right.flatten())
    having = labels.sum(0).tolist()
    found = (predictions * (labels > 0.5)).sum(0).tolist()
    recall = tuple(f / h if h else None for f, h in zip(found, having, strict=True))
    return {
        "accuracy": int(correct.sum()) / len(labels),
        "balanced_accuracy": mean(recall),
        "recall": recall,
        "confusion": (),
        "ece": calibration_error(bins),
        "reliability": bins,
        "average_precision": average_precisions(probability, labels),
        "f1": f1_scores(predictions, labels),
        "predictions": predictions,
        "correct": correct,
    }
