"""Scores of each class, counted by hand."""

import json

import pytest
import torch
from torch import nn

from regard.training.tasks.by_class import by_class

LOGITS = torch.tensor([[3.0, 0, 0], [0, 2, 0], [1, 0, 0], [0, 1, 0], [4, 0, 0]])
LABELS = torch.tensor([0, 1, 1, 1, 0])


def test_one_class_an_image():
    found = by_class(LOGITS, LABELS, ("a", "b", "c"), multi_label=False)
    assert found.recall == (1.0, pytest.approx(2 / 3), None)
    assert found.confusion == ((2, 0, 0), (1, 2, 0), (0, 0, 0))
    assert sum(b.count for b in found.reliability) == 5


def test_several_labels():
    labels = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0]])
    found = by_class(LOGITS, labels, ("a", "b", "c"), multi_label=True)
    assert found.recall == (1.0, pytest.approx(2 / 3), None)
    assert found.average_precision[0] == 1.0
    assert found.average_precision[2] is None
    assert found.f1 == (1.0, pytest.approx(0.8), None)
    assert found.confusion == ()
    assert sum(b.count for b in found.reliability) == 15


@pytest.mark.parametrize("multi_label", [False, True])
def test_json_has_no_nan(multi_label):
    labels = nn.functional.one_hot(LABELS, 3).float() if multi_label else LABELS
    found = by_class(LOGITS, labels, ("a", "b", "c"), multi_label=multi_label)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["recall"][2] is None
