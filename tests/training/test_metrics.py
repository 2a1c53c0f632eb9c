"""Scores against torchmetrics and against their definitions, and no NaN where a class has no images."""

import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from regard.training.metrics import (
    average_precisions,
    calibration_error,
    confusion,
    f1_scores,
    mean,
    recalls,
    reliability,
)


def test_confusion_rows_are_true_classes():
    matrix = confusion(torch.tensor([0, 1, 1, 2]), torch.tensor([0, 0, 1, 1]), 4)
    assert matrix.tolist() == [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert recalls(matrix) == (0.5, 0.5, None, None)


def test_the_calibration_error_is_that_of_torchmetrics():
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.randn(500, 4, generator=generator).mul(2).softmax(1)
    labels = torch.randint(0, 4, (500,), generator=generator)
    confidence, predictions = probabilities.max(1)
    bins = reliability(confidence, predictions == labels)
    expected = multiclass_calibration_error(probabilities, labels, num_classes=4, n_bins=15)
    assert calibration_error(bins) == pytest.approx(float(expected), abs=1e-6)
    assert sum(b.count for b in bins) == 500


def test_bins_include_upper_edges_and_empty_are_none():
    bins = reliability(torch.tensor([0.0, 1 / 15, 0.5, 1.0]), torch.tensor([False, True, True, True]))
    assert [b.count for b in bins] == [2, *[0] * 6, 1, *[0] * 6, 1]
    assert (bins[0].low, bins[-1].high) == (0.0, 1.0)
    assert (bins[1].confidence, bins[1].accuracy) == (None, None)
    assert bins[0].accuracy == 0.5
    assert calibration_error(reliability(torch.zeros(0), torch.zeros(0))) == 0.0


def test_average_precision_is_mean_precision_at_each_hit():
    scores = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    labels = torch.tensor([[1.0, 0], [0, 0], [1, 0], [0, 0]])
    found = average_precisions(scores, labels)
    assert found[0] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert found[1] is None
    assert mean(found) == found[0]


def test_f1_is_harmonic_mean_of_precision_and_recall():
    decisions = torch.tensor([[1, 1], [1, 0], [0, 0]])
    labels = torch.tensor([[1.0, 0], [0, 0], [1, 0]])
    assert f1_scores(decisions, labels) == (0.5, None)


def test_the_mean_of_nothing_is_no_nan():
    assert mean((None, None)) == 0.0
