"""Learning rate and decay of each parameter; the schedule; the moving average."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from regard.attention import create
from regard.training import Recipe
from regard.training.optimisation import moving_average, optimizer, parameter_groups, schedule


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.gate = create("cbam", channels=8, start="identity")
        self.layer_norm = nn.LayerNorm((8, 4, 4))
        self.fc = nn.Linear(8, 2)
        self.tied = self.fc
        self.frozen = nn.Parameter(torch.ones(2, 2), requires_grad=False)


def test_every_parameter_has_one_group_rate_and_decay():
    net, recipe = Net(), Recipe(lr=0.1, weight_decay=0.01, attention_lr=10.0)
    of = {
        id(p): (group["lr"], group["weight_decay"]) for group in parameter_groups(net, recipe) for p in group["params"]
    }
    found = {name: of.pop(id(p)) for name, p in net.named_parameters() if id(p) in of}
    assert not of
    assert "frozen" not in found
    assert found.pop("conv.weight") == found.pop("fc.weight") == (0.1, 0.01)
    for name in ("conv.bias", "norm.weight", "norm.bias", "layer_norm.weight", "layer_norm.bias", "fc.bias"):
        assert found.pop(name) == (0.1, 0.0)
    assert {name.split(".")[0] for name in found} == {"gate"}
    plain = {name for name, p in net.gate.named_parameters() if p.ndim > 1}
    assert "strength" not in plain
    for name, (rate, decay) in found.items():
        assert rate == 1.0
        assert decay == (0.01 if name.removeprefix("gate.") in plain else 0.0)


def test_the_optimizer_moves_inserted_parameters_faster():
    net = nn.ModuleList([nn.Linear(2, 2), create("se", channels=2)])
    recipe = Recipe(lr=0.1, momentum=0.0, weight_decay=0.0, attention_lr=3.0)
    before = [p.detach().clone() for p in net.parameters()]
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    optimizer(net, recipe).step()
    moved = {name: float((b - p.detach()).mean()) for b, (name, p) in zip(before, net.named_parameters(), strict=True)}
    assert all(value == pytest.approx(0.3 if name.startswith("1.") else 0.1) for name, value in moved.items())


def test_the_kind_of_optimizer():
    assert isinstance(optimizer(Net(), Recipe(optimizer="adamw")), torch.optim.AdamW)
    assert not optimizer(Net(), Recipe(momentum=0.0)).defaults["nesterov"]


@pytest.mark.parametrize(("epochs", "warmup", "steps"), [(10, 0.5, 20), (3, 0.0, 7), (1, 0.9, 4), (1, 0.5, 1)])
def test_the_rate_rises_and_then_falls_towards_zero(epochs, warmup, steps):
    share = schedule(Recipe(epochs=epochs, warmup_epochs=warmup), steps)
    rates = [share(step) for step in range(epochs * steps)]
    warm = min(round(warmup * steps), len(rates) - 1)
    assert rates[warm] == 1.0 == max(rates)
    assert all(a < b for a, b in pairwise(rates[: warm + 1]))
    assert all(a > b for a, b in pairwise(rates[warm:]))
    assert min(rates) > 0


def test_the_average_is_the_recurrence():
    averaged, current = [torch.tensor([1.0]), torch.tensor([2.0])], [torch.tensor([3.0]), torch.tensor([0.0])]
    moving_average(0.9)(averaged, current, torch.tensor(1000))
    torch.testing.assert_close(torch.cat(averaged), torch.tensor([1.2, 1.8]))
    early = [torch.tensor([0.0])]
    moving_average(0.9)(early, [torch.tensor([1.0])], 1)
    torch.testing.assert_close(early[0], torch.tensor([9 / 11]))
    counter = [torch.tensor(3)]
    moving_average(0.9)(counter, [torch.tensor(9)], 5)
    assert counter[0] == 9
