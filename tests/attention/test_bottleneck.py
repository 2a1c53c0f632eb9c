import numpy as np
import pytest
import torch
from torch import nn

from regard.attention.bottleneck import bottleneck, over_positions, scored
from regard.core.errors import OptionError
from tests.attention.drawn import assert_equal, drawn, features
from tests.attention.formulas import affine, relu


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_the_layers_follow_one_another_with_a_relu_between(bias, wide):
    layers, s = [drawn(layer, n) for n, layer in enumerate(bottleneck("se", 6, 2, bias))], features(3, 6)
    hidden = s.numpy()
    for number, layer in enumerate(layers):
        given = relu(hidden) if number else hidden
        hidden = affine(layer.weight.detach().numpy(), given, layer.bias.detach().numpy() if bias else 0)
    assert_equal(scored(s, *layers, wide=wide), hidden)


def test_the_hidden_width_is_never_under_one():
    assert [layer.weight.shape for layer in bottleneck("se", 3, 16, True)] == [(1, 3), (3, 1)]
    with pytest.raises(OptionError, match="se: reduction=0 is not allowed"):
        bottleneck("se", 3, 0, True)
    with pytest.raises(OptionError, match="se: bias=1 is not allowed"):
        bottleneck("se", 3, 16, 1)


def test_logits_are_in_at_least_float32():
    layer = nn.Linear(4, 4)
    assert scored(torch.zeros(1, 4), layer.half()).dtype == torch.float32
    assert scored(torch.zeros(1, 4), layer.double()).dtype == torch.float64


@pytest.mark.parametrize("autocast", [False, True])
def test_wide_layers_hold_what_a_half_cannot(autocast):
    layer = nn.Linear(2, 1, bias=False).half()
    nn.init.constant_(layer.weight, -1.0)
    nn.init.ones_(layer.weight[:, :1])
    with torch.autocast("cpu", torch.float16, enabled=autocast):
        logits = scored(torch.tensor([[3e5, 2e5]]), layer, wide=True)
    assert logits.item() == 1e5


def test_values_get_an_axis_for_every_position_axis():
    assert over_positions(torch.zeros(2, 8), torch.zeros(2, 8, 3, 4, 5)).shape == (2, 8, 1, 1, 1)
    assert np.shape(over_positions(torch.zeros(2, 8), torch.zeros(2, 8, 3))) == (2, 8, 1)
