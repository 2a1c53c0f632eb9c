"""The loss, the answers and the scores of a classifier against their definitions."""

import pytest
import torch
from torch import nn

from regard.core import ImageBatch, ShapeError
from regard.training import Classification, Recipe
from regard.training.tasks.classification import in_order

LOGITS = torch.tensor([[2.0, 0], [0, 1], [3, 0]])
LABELS = torch.tensor([0, 1, 1])


def batches(labels=LABELS):
    """Two batches whose images are the logits."""
    return [ImageBatch(LOGITS[part], labels[part], torch.arange(3)[part]) for part in (slice(0, 2), slice(2, 3))]


def test_scores_are_plain_whatever_the_loss():
    """The last batch is smaller, and neither smoothing nor class weights count."""
    recipe = Recipe(label_smoothing=0.3, class_weights="balanced")
    task = Classification.trained_by(recipe, "ab", labels=torch.tensor([0] * 9 + [1]))
    scores = task.score([b.images for b in batches()], batches())
    assert scores.chosen.name == "accuracy"
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert scores["loss"] == pytest.approx(float(nn.functional.cross_entropy(LOGITS, LABELS)))
    assert scores["balanced_accuracy"] == pytest.approx(3 / 4)
    assert [score.better for score in scores] == ["higher", "lower", "higher", "lower"]


def test_several_labels_are_chosen_by_mean_average_precision():
    task = Classification("ab", multi_label=True)
    labels = torch.tensor([[1.0, 0], [0, 1], [0, 0]])
    logits = torch.tensor([[2.0, -1], [-1, -0.5], [-1, -1]])
    scores = task.score([logits], [ImageBatch(logits, labels, torch.arange(3))])
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert (scores.chosen.name, scores.chosen.value) == ("mean_average_precision", 1.0)


def test_the_loss_has_the_recipes_smoothing_and_weights():
    recipe = Recipe(label_smoothing=0.1, class_weights="balanced")
    task = Classification.trained_by(recipe, "ab", labels=torch.tensor([0, 0, 0, 1]))
    found = task.loss(nn.Identity(), batches()[0], None)
    weights = torch.tensor([2 / 3, 2.0])
    expected = nn.functional.cross_entropy(LOGITS[:2], LABELS[:2], weight=weights, label_smoothing=0.1)
    torch.testing.assert_close(found.total, expected)
    assert found.parts == {}


def test_mixed_batches_are_seen_by_the_network():
    task = Classification.trained_by(Recipe(mixup=0.4), "ab")
    seen, images = [], torch.randn(2, 1, 4, 4)
    torch.manual_seed(0)
    batch = ImageBatch(images, LABELS[:2], torch.arange(2))
    net = nn.Identity()
    net.register_forward_hook(lambda _module, given, _output: seen.append(given[0]) or LOGITS[:2])
    task.loss(net, batch, None)
    assert not torch.equal(seen[0], images)


def test_what_is_no_answer_is_refused():
    with pytest.raises(ShapeError, match=r"returned \(2, 2\) for 2 images; .* \(2, 3\)"):
        Classification("abc").predict(nn.Identity(), batches()[0])


def test_the_order_of_the_batches_changes_nothing():
    turned = batches()[::-1]
    logits, labels, indices = in_order([b.images for b in turned], turned)
    assert torch.equal(logits, LOGITS)
    assert (labels.tolist(), indices.tolist()) == (LABELS.tolist(), [0, 1, 2])
