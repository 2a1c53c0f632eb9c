import math

import pytest
import torch
from timm.layers.cbam import ChannelAttn

from regard.attention.channel.cbam_channel import CBAMChannel
from regard.core.errors import OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import affine, over_positions, positions_max, positions_mean, relu, sigmoid


def formula(x, p):
    """Equation 2 of the paper: the same small network of the means and of the maxima, its results added."""

    def mlp(s):
        hidden = relu(affine(p["reduce.weight"], s, p.get("reduce.bias", 0)))
        return affine(p["expand.weight"], hidden, p.get("expand.bias", 0))

    return x * over_positions(sigmoid(mlp(positions_mean(x)) + mlp(positions_max(x))), x)


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_papers_formula(shape, bias):
    module, x = drawn(CBAMChannel(6, reduction=2, bias=bias)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module)))


def test_a_case_computed_by_hand():
    module = CBAMChannel(1, reduction=1)
    with torch.no_grad():
        module.reduce.weight.fill_(1.0)
        module.expand.weight.fill_(math.log(3) / 6)
    # The mean is 2 and the maximum 4, so the logit is log 3 / 6 * (2 + 4).
    y = module(torch.tensor([[[0.0, 4.0, 2.0]]]))
    assert y.flatten().tolist() == pytest.approx([0.0, 3.0, 1.5])


def test_counts_and_order():
    assert count(CBAMChannel(64)) == 580
    assert names(CBAMChannel(8)) == ["reduce.weight", "reduce.bias", "expand.weight", "expand.bias"]


def test_biases_start_at_zero_as_in_the_authors_networks():
    module = CBAMChannel(64)
    assert not module.reduce.bias.any()
    assert not module.expand.bias.any()
    assert module.reduce.weight.any()


@pytest.mark.parametrize("bias", [True, False])
def test_timm_agrees(bias):
    module, theirs = drawn(CBAMChannel(64, bias=bias)), ChannelAttn(64, mlp_bias=bias).double()
    weights = {"fc1.weight": module.reduce.weight[..., None, None], "fc2.weight": module.expand.weight[..., None, None]}
    if bias:
        weights |= {"fc1.bias": module.reduce.bias, "fc2.bias": module.expand.bias}
    theirs.load_state_dict(weights)
    x = features(2, 64, 5, 3)
    torch.testing.assert_close(module(x), theirs(x), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"reduction": True}, "cbam_channel: reduction=True is not allowed; it must be an integer of at least 1"),
        ({"bias": None}, "cbam_channel: bias=None is not allowed; it must be True or False"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        CBAMChannel(8, **options)
