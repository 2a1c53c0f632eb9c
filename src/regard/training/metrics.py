"""Metrics of classifiers, with None instead of NaN for a class without images."""

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor
from torchmetrics.functional.classification import (
    multiclass_confusion_matrix,
    multilabel_average_precision,
    multilabel_f1_score,
)

Number = float | None


@dataclass(frozen=True)
class Bin:
    """A bin of the reliability diagram: the predictions with a confidence in one interval.

    Attributes:
        low: lower end of the interval (excluded, except for 0).
        high: upper end (included).
        count: number of predictions in the bin.
        confidence: their mean confidence; None in an empty bin.
        accuracy: share of correct ones; None in an empty bin.
    """

    low: float
    high: float
    count: int
    confidence: Number
    accuracy: Number


def confusion(predictions: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Computes the confusion matrix, (k, k) counts of true (rows) and predicted (columns) classes."""
    return multiclass_confusion_matrix(predictions, labels, num_classes=classes, validate_args=False)


def recalls(matrix: Tensor) -> tuple[Number, ...]:
    """Computes the recall of each class from a confusion matrix; None for a class without images.

    Example:
        >>> recalls(torch.tensor([[3, 1, 0], [0, 2, 0], [0, 0, 0]]))
        (0.75, 1.0, None)
    """
    counts = matrix.sum(1).tolist()
    return tuple(right / n if n else None for right, n in zip(matrix.diagonal().tolist(), counts, strict=True))


def reliability(confidence: Tensor, right: Tensor, bins: int = 15) -> tuple[Bin, ...]:
    """Computes the accuracy of predictions by confidence.

    Args:
        confidence: (n,) probability of the predicted class.
        right: (n,) True for correct predictions.
        bins: number of bins of equal width from 0 to 1.
    """
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    index = torch.bucketize(confidence, edges[1:-1].to(confidence.dtype))
    counts = torch.bincount(index, minlength=bins)
    sure = torch.zeros(bins, dtype=torch.float64).index_add_(0, index, confidence.double())
    rights = torch.zeros(bins, dtype=torch.float64).index_add_(0, index, right.double())
    return tuple(
        Bin(
            float(edges[i]),
            float(edges[i + 1]),
            n,
            float(sure[i]) / n if n else None,
            float(rights[i]) / n if n else None,
        )
        for i, n in enumerate(counts.tolist())
    )


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """Computes the expected calibration error: the mean over images of their bin's |confidence - accuracy|."""
    images = sum(b.count for b in bins)
    gaps = (
        b.count * abs(b.confidence - b.accuracy) for b in bins if b.confidence is not None and b.accuracy is not None
    )
    return sum(gaps) / images if images else 0.0


def average_precisions(scores: Tensor, labels: Tensor) -> tuple[Number, ...]:
    """Computes the average precision of each class, scores and labels (n, k); None for a class without images."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = multilabel_average_precision(scores, labels.long(), num_labels=labels.shape[1], average="none")
    return _present(found, labels)


def f1_scores(decisions: Tensor, labels: Tensor) -> tuple[Number, ...]:
    """Computes the F1 score of each class, decisions and labels (n, k) of 0 and 1; None for a class without images."""
    found = multilabel_f1_score(decisions.long(), labels.long(), num_labels=labels.shape[1], average="none")
    return _present(found, labels)


def mean(numbers: tuple[Number, ...]) -> float:
    """Returns the mean of the numbers that are not None; 0 if there are none.

    Example:
        >>> mean((0.5, None, 1.0))
        0.75
    """
    present = [number for number in numbers if number is not None]
    return sum(present) / len(present) if present else 0.0


def _present(values: Tensor, labels: Tensor) -> tuple[Number, ...]:
    """Replaces the values of classes without images by None."""
    having = labels.long().sum(0).tolist()
    return tuple(value if n else None for value, n in zip(values.tolist(), having, strict=True))
