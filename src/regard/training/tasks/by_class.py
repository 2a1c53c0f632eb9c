"""How a classifier fares with each class, and whether it is as sure as it is right."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from regard.core.answers import answers, is_right
from regard.training.metrics import (
    Bin,
    Number,
    average_precisions,
    calibration_error,
    confusion,
    f1_scores,
    recalls,
    reliability,
)


@dataclass(frozen=True, kw_only=True)
class ByClass:
    """What was said of n images with k classes. Shares are from 0 to 1.

    Attributes:
        classes: the k names.
        multi_label: whether an image may have several classes, or none.
        recall: a class, the share of its images that are found; None where it has no images.
        confusion: k x k counts, rows the true classes, columns the answers; empty with several labels.
        reliability: 15 bins of confidence (of single labels, with several labels).
        average_precision: a class, with several labels; else empty. None where no image has the class.
        f1: the same.
    """

    classes: tuple[str, ...]
    multi_label: bool
    recall: tuple[Number, ...]
    confusion: tuple[tuple[int, ...], ...]
    reliability: tuple[Bin, ...]
    average_precision: tuple[Number, ...] = ()
    f1: tuple[Number, ...] = ()

    @property
    def calibration_error(self) -> float:
        """The expected calibration error over the bins."""
        return calibration_error(self.reliability)

    def to_json(self) -> dict[str, Any]:
        """The record in JSON's types, without NaN."""
        return asdict(self)


def by_class(logits: Tensor, labels: Tensor, classes: Sequence[str], *, multi_label: bool) -> ByClass:
    """How each class fares.

    Args:
        logits: (n, k).
        labels: (n,) class numbers, or (n, k) of 0 and 1 with `multi_label`.
        classes: k names.
        multi_label: which of the two.
    """
    predictions = answers(logits, multi_label=multi_label)
    if multi_label:
        return _of_labels(logits, labels, predictions, tuple(classes))
    confidence = torch.softmax(logits, dim=1).gather(1, predictions.unsqueeze(1)).squeeze(1)
    matrix = confusion(predictions, labels, len(classes))
    return ByClass(
        classes=tuple(classes),
        multi_label=False,
        recall=recalls(matrix),
        confusion=tuple(map(tuple, matrix.tolist())),
        reliability=reliability(confidence, is_right(logits, labels)),
    )


def _of_labels(logits: Tensor, labels: Tensor, predictions: Tensor, classes: tuple[str, ...]) -> ByClass:
    probability = torch.sigmoid(logits)
    right = predictions.bool() == (labels > 0.5)
    having = labels.sum(0).tolist()
    found = (predictions.bool() * (labels > 0.5)).sum(0).tolist()
    return ByClass(
        classes=classes,
        multi_label=True,
        recall=tuple(f / h if h else None for f, h in zip(found, having, strict=True)),
        confusion=(),
        reliability=reliability(torch.maximum(probability, 1 - probability).flatten(), right.flatten()),
        average_precision=average_precisions(probability, labels),
        f1=f1_scores(predictions, labels),
    )
