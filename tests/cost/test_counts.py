"""Parameters and multiply-adds: by hand, and as published."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from regard import cost, models
from regard.core import ShapeError

PUBLISHED_GIGA = {("resnet50", "1x1"): 3.858, ("cbam_resnet50", "1x1"): 3.864}
"""With the stride as in the papers' tables; those of the published networks are in tests/models/test_published.py."""


@pytest.mark.parametrize(("name", "stride_in"), PUBLISHED_GIGA)
def test_published_multiply_adds(name, stride_in):
    macs = cost.macs(models.create(name, stride_in=stride_in), torch.zeros(1, 3, 224, 224))
    assert macs / 1e9 == pytest.approx(PUBLISHED_GIGA[name, stride_in], rel=1e-3)


class Dot(nn.Module):
    def forward(self, x):
        return functional.scaled_dot_product_attention(x, x, x)


@pytest.mark.parametrize(
    ("net", "shape", "macs"),
    [
        (nn.Linear(7, 5), (3, 7), 3 * 7 * 5),
        (nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), (2, 4, 9, 5), 2 * 6 * 5 * 3 * 2 * 9),
        (nn.Conv1d(1, 1, 5, padding=2, bias=False), (2, 1, 16), 2 * 16 * 5),
        (nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.AvgPool2d(2)), (1, 3, 8, 8), 0),
        (Dot(), (2, 1, 6, 4), 2 * 2 * 6 * 6 * 4),
    ],
)
def test_multiply_adds_by_hand(net, shape, macs):
    assert cost.macs(net, torch.zeros(shape)) == macs


def test_multiply_adds_grow_with_the_batch():
    net = models.create("se_resnet8", num_classes=10)
    one = cost.macs(net, torch.zeros(1, 3, 28, 28))
    assert cost.macs(net, torch.zeros(5, 3, 28, 28)) == 5 * one


def test_the_network_stays_as_it_was():
    net = models.create("bam_resnet8", num_classes=3, seed=0)
    net.layer2.eval()
    modes = {name: module.training for name, module in net.named_modules()}
    state = {name: value.clone() for name, value in net.state_dict().items()}
    seen = []
    net.attention1.gate.sink = seen.append
    cost.macs(net, torch.randn(2, 3, 8, 8))
    assert {name: module.training for name, module in net.named_modules()} == modes
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert seen == []
    assert next(net.parameters()).device.type == "cpu"


class Deciding(nn.Module):
    """Branches on a value, which a tensor without values hasn't."""

    def __init__(self):
        super().__init__()
        self.narrow, self.wide = nn.Linear(4, 1), nn.Linear(4, 10)

    def forward(self, x):
        return self.wide(x) if x.sum().item() > 0 else self.narrow(x)


def test_a_network_branching_on_values_is_run():
    assert cost.macs(Deciding(), torch.ones(1, 4)) == 40
    assert cost.macs(Deciding(), -torch.ones(1, 4)) == 4


def test_shared_parameters_are_counted_once():
    layer = nn.Linear(4, 4)
    net = nn.Sequential(layer, nn.ReLU(), layer, nn.Linear(4, 2))
    net[3].bias.requires_grad_(False)
    assert cost.parameters(net) == 20 + 10
    assert cost.parameters(net, trainable_only=True) == 20 + 8


@pytest.mark.parametrize(
    ("example", "said"),
    [
        (torch.zeros(0, 3, 8, 8), r"\(0, 3, 8, 8\).*at least 1"),
        ([1.0], "is list"),
        (torch.zeros(1, 3, 8, 8, device="meta"), r"on meta and the network on cpu.*example.to\('cpu'\)"),
    ],
)
def test_a_wrong_example_is_refused(example, said):
    for measure in (cost.macs, cost.peak_memory, lambda net, x: cost.time_in_turns({"a": net}, x)):
        with pytest.raises(ShapeError, match=said):
            measure(models.create("resnet8"), example)
