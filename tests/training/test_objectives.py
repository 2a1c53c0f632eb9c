"""Losses and class weights against their definitions."""

import pytest
import torch
from torch.nn import functional

from regard.core import OptionError
from regard.training import Recipe
from regard.training.objectives import Objective, balanced_weights, mixer, objective


def test_cross_entropy_with_smoothing_and_weights_matches_definition():
    logits, labels = torch.randn(7, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 2, 1, 0, 0])
    weights = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)
    target = functional.one_hot(labels, 3) * 0.9 + 0.1 / 3
    terms = -(target * weights * logits.log_softmax(1)).sum(1)
    found = Objective(3, smoothing=0.1, weights=weights)(logits, labels)
    torch.testing.assert_close(found, terms.sum() / weights[labels].sum())


def test_binary_cross_entropy_with_smoothing_and_weights():
    logits, labels = torch.randn(5, 2, dtype=torch.float64), torch.randint(0, 2, (5, 2)).float()
    weights = torch.tensor([3.0, 0.5], dtype=torch.float64)
    target = labels.double() * 0.8 + 0.1
    p = torch.sigmoid(logits)
    terms = -(weights * target * p.log() + (1 - target) * (1 - p).log())
    found = Objective(2, multi_label=True, smoothing=0.2, weights=weights)(logits, labels)
    torch.testing.assert_close(found, terms.mean())


def test_low_precision_logits_are_scored_in_float32():
    logits = torch.tensor([[300.0, 0.0], [0.0, 301.0]], dtype=torch.bfloat16)
    loss = Objective(2)(logits, torch.tensor([1, 1]))
    assert loss.dtype == torch.float32
    assert loss == 150.0


def test_balanced_weights_make_the_classes_count_the_same():
    labels = torch.tensor([0] * 6 + [1] * 3 + [2])
    weights = balanced_weights(labels, 4)
    totals = [float(weights[labels[labels == c]].sum()) for c in range(3)]
    assert totals == pytest.approx([2.5] * 3)
    assert weights[3] == 1


def test_balanced_weights_of_labels_are_inverse_odds():
    labels = torch.tensor([[1.0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1]])
    assert balanced_weights(labels, 3, multi_label=True).tolist() == [3.0, 1.0, 0.25]


@pytest.mark.parametrize("options", [{"mixup": 0.3}, {"cutmix": 1.0}, {"mixup": 0.3, "cutmix": 1.0}])
def test_mixed_labels_are_shares_repeated_by_seed(options):
    mix = mixer(Recipe(**options), 3)
    images, labels = torch.randn(6, 1, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2])
    torch.manual_seed(0)
    first = mix(images, labels)
    torch.manual_seed(0)
    second = mix(images, labels)
    torch.testing.assert_close(first[1].sum(1), torch.ones(6))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], images)


def test_without_mixing_there_is_none():
    assert mixer(Recipe(), 3) is None


def test_several_labels_can_be_mixed():
    labels = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    _, mixed = mixer(Recipe(mixup=1.0), 3, multi_label=True)(torch.randn(2, 1, 4, 4), labels)
    torch.testing.assert_close(mixed[0] + mixed[1], labels.sum(0))


def test_balanced_weights_need_labels():
    with pytest.raises(OptionError, match="pass labels="):
        objective(Recipe(class_weights="balanced"), 3)
    made = objective(Recipe(class_weights="balanced", label_smoothing=0.1), 2, labels=torch.tensor([0, 0, 0, 1]))
    assert made.weights.tolist() == pytest.approx([2 / 3, 2.0])
    assert made.smoothing == 0.1
    assert "weights" not in made.state_dict()
