import pytest
import torch
from torch import nn

from regard.attention.large_kernels import LargeKernelGate, Projections, decompose
from regard.attention.spatial.lka import LKA
from regard.core.errors import OptionError
from tests.attention.drawn import drawn, features


@pytest.mark.parametrize(
    ("kernel_size", "dilation", "rounded_up", "published"),
    [
        (21, 3, True, (5, 7)),
        (7, 2, False, (3, 3)),
        (11, 2, False, (3, 5)),
        (23, 3, False, (5, 7)),
        (35, 3, False, (5, 11)),
        (41, 3, False, (5, 13)),
        (53, 3, False, (5, 17)),
        (3, 1, True, (1, 3)),
        (2, 3, False, (5, 1)),
    ],
)
def test_kernels_are_taken_apart_as_published(kernel_size, dilation, rounded_up, published):
    assert decompose("lka", kernel_size, dilation, rounded_up=rounded_up) == published


def test_an_even_kernel_is_refused_with_remedy():
    with pytest.raises(OptionError, match=r"lka: kernel_size=24 is not allowed with dilation=3.*8 taps.*27 or 21"):
        decompose("lka", 24, 3, rounded_up=True)
    assert decompose("lka", 27, 3, rounded_up=True) == (5, 9)
    assert decompose("lka", 21, 3, rounded_up=True) == (5, 7)


class Mixed(LargeKernelGate):
    """The base with the smallest score: a depthwise and a pointwise convolution."""

    facts = LKA.facts

    def __init__(self, channels, *, projections=False, start="paper"):
        super().__init__(channels, dims=2, start=start)
        self.near = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.mix = nn.Conv2d(channels, channels // 2, 1)
        self.surround(projections)

    def score(self, x):
        return self.near(x)


def test_layers_start_by_the_groups_fan_out():
    torch.manual_seed(0)
    net = Mixed(512)
    assert net.near.weight.std().item() == pytest.approx((2 / 25) ** 0.5, rel=0.03)
    assert net.mix.weight.std().item() == pytest.approx((2 / 256) ** 0.5, rel=0.03)
    assert not net.near.bias.any()
    assert not net.mix.bias.any()


def test_the_score_rescales_x_or_its_projection():
    alone, surrounded = drawn(Mixed(4)), drawn(Mixed(4, projections=True))
    x = features(2, 4, 5, 6)
    torch.testing.assert_close(alone(x), x * alone.near(x))
    inner = nn.functional.gelu(surrounded.projections.enter(x))
    torch.testing.assert_close(surrounded(x), x + surrounded.projections.leave(inner * surrounded.near(inner)))
    assert alone.facts.bare
    assert not surrounded.facts.bare


def test_the_projections_stand_before_and_after_the_gate():
    layer, x = drawn(Projections("lka", 2, 3)), features(2, 3, 4, 5)
    y = layer(x, lambda inner: inner.square())
    torch.testing.assert_close(y, layer.leave(nn.functional.gelu(layer.enter(x)) ** 2))
