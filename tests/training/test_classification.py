"""What the module does with batches, without a trainer."""

import pytest
import torch
from torch import nn

from regard.core import Batch
from regard.training import Classification, Recipe, fit
from regard.training.objectives import Objective


def test_the_state_is_that_of_the_network_only(net):
    module = Classification(net(), Recipe(mixup=0.2), Objective(3, weights=torch.ones(3)), 5)
    assert {name.removeprefix("net.") for name in module.state_dict()} == set(net().state_dict())


@pytest.mark.parametrize("channels_last", [False, True])
def test_pictures_lie_as_the_recipe_says(channels_last):
    module = Classification(nn.Identity(), Recipe(channels_last=channels_last), Objective(3), 5)
    seen = module(torch.randn(2, 3, 4, 4))
    assert seen.is_contiguous(memory_format=torch.channels_last) == channels_last


def test_validation_scores_all_pictures_alike_and_plainly():
    """The last batch is smaller, and neither smoothing nor class weights count."""
    weights = torch.tensor([1.0, 9.0])
    module = Classification(nn.Flatten(), Recipe(), Objective(2, smoothing=0.3, weights=weights), 5)
    logits = torch.tensor([[2.0, 0], [0, 1], [3, 0]])
    labels = torch.tensor([0, 1, 1])
    for part in (slice(0, 2), slice(2, 3)):
        module.validation_step(Batch(logits[part], labels[part], labels[part]), 0)
    score = module.validated()
    assert score.accuracy == pytest.approx(2 / 3)
    assert score.loss == pytest.approx(float(nn.functional.cross_entropy(logits, labels)))
    assert score.mean_average_precision is None
    module.validation_step(Batch(logits[:1], labels[:1], labels[:1]), 0)
    assert module.validated().accuracy == 1.0


def test_several_labels_are_chosen_by_mean_average_precision():
    module = Classification(nn.Flatten(), Recipe(), Objective(2, multi_label=True), 5)
    labels = torch.tensor([[1.0, 0], [0, 1], [0, 0]])
    module.validation_step(Batch(torch.tensor([[2.0, -1], [-1, -0.5], [-1, -1]]), labels, torch.arange(3)), 0)
    score = module.validated()
    assert score.accuracy == pytest.approx(2 / 3)
    assert score.choice == score.mean_average_precision == 1.0


@pytest.mark.graph
def test_a_compiled_network_learns_the_same(loader, classes):
    losses = []
    for compiled in (False, True):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(72, 3))
        recipe = Recipe(epochs=2, lr=0.01, compile=compiled)
        found = fit(
            net, recipe, loader(train=True), loader(train=False), classes=classes, folder=None, seed=0, device="cpu"
        )
        losses.append([row.val_loss for row in found.history])
        assert set(net.state_dict()) == {"1.weight", "1.bias"}
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
