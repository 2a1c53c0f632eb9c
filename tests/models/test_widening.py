"""The widened plain network comes as near to a number of parameters as its channels allow."""

import pytest
import torch
from torch import nn

from regard import models
from regard.core import OptionError, UnknownNameError
from regard.models.blocks import PadShortcut
from regard.models.layouts import PLAIN


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize("widths", [(17, 33, 65), (16, 32, 64), (24, 48, 95), (9, 18, 36)])
def test_a_number_that_can_be_reached_is_reached(widths):
    options = {"num_classes": 10, "in_channels": 1}
    wanted = count(models.create("resnet8", width=widths, **options))
    assert count(models.create_widened("resnet8", wanted, **options)) == wanted


@pytest.mark.parametrize("name", ["resnet8", "resnet20"])
@pytest.mark.parametrize("mechanism", ["se", "cbam", "bam", "sk"])
def test_the_control_is_nearer_than_any_common_factor(name, mechanism):
    wanted = count(models.create(f"{mechanism}_{name}", num_classes=10))
    net = models.create_widened(name, wanted, num_classes=10)
    error = abs(count(net) - wanted)
    assert error <= 0.006 * wanted
    for step in range(-8, 9):
        assert error <= abs(count(models.create(name, num_classes=10, width=1 + step / 64)) - wanted)


@pytest.mark.parametrize("factor", [0.5, 0.999, 1.0, 1.001, 1.3, 5.0])
def test_no_stage_becomes_narrower_in_a_wider_network(factor):
    base = PLAIN["resnet20"].widths
    widths = models.width_for("resnet20", round(factor * count(models.create("resnet20"))))
    for width, start in zip(widths, base, strict=True):
        assert width >= start if factor >= 1 else width <= start
    assert (widths == base) == (factor in (0.999, 1.0, 1.001))


def test_the_options_are_those_of_the_network():
    options = {"num_classes": 7, "in_channels": 5, "stride_in": "1x1", "shortcut": "pad"}
    wanted = count(models.create("resnet50", width=(66, 132, 264, 530), **options))
    net = models.create_widened("resnet50", wanted, seed=3, **options)
    assert abs(count(net) - wanted) < 1e-3 * wanted
    assert net.layer2[0].conv1.stride == (2, 2)
    assert net.conv1.in_channels == 5
    assert isinstance(net.layer1[0].downsample, PadShortcut)


def test_a_seed_gives_the_same_weights_again():
    one, two, other = (models.create_widened("resnet8", 90_000, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.conv1.weight, two.conv1.weight)
    assert not torch.equal(one.conv1.weight, other.conv1.weight)


def test_the_smallest_network_is_the_least():
    assert models.width_for("resnet8", 1) == (1, 1, 1)


@pytest.mark.parametrize(("name", "parameters"), [("resnet8", 0), ("resnet8", 1.5)])
def test_a_wrong_number_is_refused(name, parameters):
    with pytest.raises(OptionError, match=f"parameters={parameters}"):
        models.width_for(name, parameters)


@pytest.mark.parametrize("name", ["se_resnet8", "timm:resnet18", "resnet9"])
def test_only_plain_networks_are_widened(name):
    with pytest.raises(UnknownNameError, match=name):
        models.create_widened(name, 100_000)
