"""The module's steps on batches, without a trainer."""

import pytest
import torch
from torch import nn

from regard.core import ImageBatch
from regard.training import Classification, Recipe
from regard.training.module import TaskModule
from tests.training.conftest import fit_bars
from tests.training.distances import Distance


def test_the_state_is_that_of_the_network_only(net):
    recipe = Recipe(mixup=0.2, class_weights="balanced")
    task = Classification.trained_by(recipe, "abc", labels=torch.tensor([0, 1, 2]))
    module = TaskModule(net(), recipe, task, 5, seed=0)
    assert {name.removeprefix("net.") for name in module.state_dict()} == set(net().state_dict())


def test_validation_scores_all_batches_alike_and_starts_anew():
    module = TaskModule(nn.Flatten(), Recipe(), Classification("ab"), 5, seed=0)
    logits, labels = torch.tensor([[2.0, 0], [0, 1], [3, 0]]), torch.tensor([0, 1, 1])
    for part in (slice(0, 2), slice(2, 3)):
        module.validation_step(ImageBatch(logits[part], labels[part], torch.arange(3)[part]), 0)
    assert module.validation_scores()["accuracy"] == pytest.approx(2 / 3)
    module.validation_step(ImageBatch(logits[:1], labels[:1], labels[:1]), 0)
    assert module.validation_scores()["accuracy"] == 1.0


def test_parts_of_the_loss_are_averaged():
    module = TaskModule(nn.Flatten(), Recipe(), Distance(), 2, seed=0)
    module.on_train_epoch_start()
    for value in (1.0, 3.0):
        batch = ImageBatch(torch.full((2, 1), value), torch.zeros(2, 1), torch.arange(2))
        found = module.training_step(batch, 0)
    assert found["parts"]["absolute"] == 3.0
    assert module.mean_parts() == {"absolute": 2.0, "squared": 5.0}
    assert module.mean_loss() == 7.0


def test_draws_depend_on_seed_examples_and_epoch(loader):
    seen = []

    class Remembers(Distance):
        def loss(self, net, batch, draws):
            seen.append((draws.seed, draws.epoch, draws.at(step=3).step, draws.indices.tolist()))
            return super().loss(net, batch, draws)

    for seed in (0, 1):
        module = TaskModule(nn.Flatten(), Recipe(), Remembers(), 2, seed=seed)
        module.on_train_epoch_start()
        module.training_step(ImageBatch(torch.zeros(2, 1), torch.zeros(2, 1), torch.tensor([4, 7])), 0)
    assert [s[1:] for s in seen] == [(0, 3, [4, 7])] * 2
    assert seen[0][0] != seen[1][0]


@pytest.mark.graph
def test_a_compiled_network_learns_the_same(loader):
    losses = []
    for compiled in (False, True):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(72, 3))
        recipe = Recipe(epochs=2, lr=0.01, compile=compiled)
        found = fit_bars(net, recipe, loader(train=True), loader(train=False), folder=None, seed=0, device="cpu")
        losses.append([row.val["loss"] for row in found.history])
        assert set(net.state_dict()) == {"1.weight", "1.bias"}
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
