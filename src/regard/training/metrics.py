"""How good answers are, where a class without images has no number instead of a NaN."""

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
    """The images that the network was about so sure of: how sure on average, and how often right.

    Attributes:
        low: the least confidence of the bin (excluded, but for 0).
        high: the greatest (included).
        count: images in the bin.
        confidence: their mean confidence; None in an empty bin.
        accuracy: the share of them that is right; None in an empty bin.
    """

    low: float
    high: float
    count: int
    confidence: Number
    accuracy: Number


def confusion(predictions: Tensor, labels: Tensor, classes: int) -> Tensor:
    """(k, k) how many images of each class (row) were taken for each class (column)."""
    return multiclass_confusion_matrix(predictions, labels, num_classes=classes, validate_args=False)


def recalls(matrix: Tensor) -> tuple[Number, ...]:
    """The share of each class's images that a confusion matrix says are right; None for a class without images.

    Example:
        >>> recalls(torch.tensor([[3, 1, 0], [0, 2, 0], [0, 0, 0]]))
        (0.75, 1.0, None)
    """
    counts = matrix.sum(1).tolist()
    return tuple(right / n if n else None for right, n in zip(matrix.diagonal().tolist(), counts, strict=True))


def reliability(confidence: Tensor, right: Tensor, bins: int = 15) -> tuple[Bin, ...]:
    """How often answers of each confidence are right.

    Args:
        confidence: (n,) the probability that the network gave its answer.
        right: (n,) whether the answer was right.
        bins: so many of equal width from 0 to 1.
    """
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    place = torch.bucketize(confidence, edges[1:-1].to(confidence.dtype))
    counts = torch.bincount(place, minlength=bins)
    sure = torch.zeros(bins, dtype=torch.float64).index_add_(0, place, confidence.double())
    rights = torch.zeros(bins, dtype=torch.float64).index_add_(0, place, right.double())
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
    """The expected calibration error: the mean over images of their bin's |confidence - accuracy|."""
    images = sum(b.count for b in bins)
    gaps = (
        b.count * abs(b.confidence - b.accuracy) for b in bins if b.confidence is not None and b.accuracy is not None
    )
    return sum(gaps) / images if images else 0.0


def average_precisions(scores: Tensor, labels: Tensor) -> tuple[Number, ...]:
    """The average precision of each class, scores and labels (n, k); None for a class that no image has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = multilabel_average_precision(scores, labels.long(), num_labels=labels.shape[1], average="none")
    return _present(found, labels)


def f1_scores(decisions: Tensor, labels: Tensor) -> tuple[Number, ...]:
    """The F1 score of each class, decisions and labels (n, k) of 0 and 1; None for a class that no image has."""
    found = multilabel_f1_score(decisions.long(), labels.long(), num_labels=labels.shape[1], average="none")
    return _present(found, labels)


def mean(numbers: tuple[Number, ...]) -> float:
    """The mean of those that are there; 0 where none is.

    Example:
        >>> mean((0.5, None, 1.0))
        0.75
    """
    there = [number for number in numbers if number is not None]
    return sum(there) / len(there) if there else 0.0


def _present(values: Tensor, labels: Tensor) -> tuple[Number, ...]:
    """The values of the classes that some image has."""
    having = labels.long().sum(0).tolist()
    return tuple(value if n else None for value, n in zip(values.tolist(), having, strict=True))
