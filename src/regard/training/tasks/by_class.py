"""Scores of a classifier for each class, and its calibration."""

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
    """The scores of k classes on n images, from 0 to 1.

    Attributes:
        classes: k names.
        multi_label: True if an image may have several classes, or none.
        recall: recall of each class; None for a class without images.
        confusion: k x k counts, rows the true, columns the predicted classes; empty with `multi_label`.
        reliability: 15 bins of confidence (of single labels with `multi_label`).
        average_precision: of each class with `multi_label`, else empty; None for a class without images.
        f1: F1 score, in the same way.
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
        """Returns the record with JSON types, without NaN."""
        return asdict(self)


def by_class(logits: Tensor, labels: Tensor, classes: Sequence[str], *, multi_label: bool) -> ByClass:
    """Computes the scores of each class.

    Args:
        logits: (n, k).
        labels: (n,) class indices, or (n, k) of 0 and 1 with `multi_label`.
        classes: k names.
        multi_label: True for the second form.
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
