import math

import numpy as np
import pytest
import torch
from pytorchcv.models.cbamresnet import ChannelGate
from timm.layers.cbam import ChannelAttn

from regard.attention.channel.cbam_channel import CBAMChannel
from regard.attention.exchange import export_weights, import_weights
from regard.core.errors import OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import affine, over_positions, positions_max, positions_mean, relu, sigmoid
from tests.attention.twins import assert_twins


def of_each_channel(x, statistic):
    """(b, c): the statistic of each channel's positions."""
    return np.array([[statistic(channel.ravel()) for channel in image] for image in x])


POOLS = {
    "mean": positions_mean,
    "max": positions_max,
    "lp": lambda x: of_each_channel(x, lambda values: math.sqrt(sum(values**2))),
    "lse": lambda x: of_each_channel(x, lambda values: math.log(sum(np.exp(values)))),
}


def formula(x, p, pools=("mean", "max")):
    """Equation 2 of the paper: the same small network of the means and of the maxima, its results added."""

    def mlp(s):
        hidden = relu(affine(p["reduce.weight"], s, p.get("reduce.bias", 0)))
        return affine(p["expand.weight"], hidden, p.get("expand.bias", 0))

    return x * over_positions(sigmoid(sum(mlp(POOLS[pool](x)) for pool in pools)), x)


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


def test_biases_start_at_zero_as_the_authors():
    module = CBAMChannel(64)
    assert not module.reduce.bias.any()
    assert not module.expand.bias.any()
    assert module.reduce.weight.any()


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1)])
@pytest.mark.parametrize("pools", [("mean",), ("lp",), ("lse",), ("lse", "max"), ("mean", "max", "lp", "lse")])
def test_other_statistics_are_those_of_the_authors_code(shape, pools):
    module, x = drawn(CBAMChannel(6, reduction=2, pools=pools)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), pools), rtol=1e-10)


def test_a_length_computed_by_hand():
    module = CBAMChannel(1, reduction=1, pools=("lp",))
    with torch.no_grad():
        module.reduce.weight.fill_(1.0)
        module.expand.weight.fill_(math.log(3) / 5)
    # The length is sqrt(9 + 16), so the logit is log 3.
    assert module(torch.tensor([[[3.0, -4.0]]])).flatten().tolist() == pytest.approx([2.25, -3.0])


@pytest.mark.parametrize("pool", ["lp", "lse"])
def test_an_x_of_zeros_has_gradients(pool):
    x = torch.zeros(1, 4, 5, 5, requires_grad=True)
    CBAMChannel(4, reduction=2, pools=(pool,))(x).sum().backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("bias", [True, False])
def test_timm_agrees(bias):
    theirs = ChannelAttn(64, mlp_bias=bias)
    assert_twins(CBAMChannel(64, bias=bias), theirs, "timm", features(2, 64, 5, 3))


def test_a_hidden_width_overrides_the_reduction():
    theirs = ChannelAttn(64, rd_divisor=8, mlp_bias=True)
    assert_twins(CBAMChannel(64, min_hidden=8), theirs, "timm", features(2, 64, 3, 2))
    for options in ({"min_hidden": 8}, {"hidden": 6}):
        assert CBAMChannel.count(64, **options) == count(CBAMChannel(64, **options))
    assert CBAMChannel(64, hidden=6).reduce.out_features == 6


def test_pytorchcv_agrees():
    assert_twins(CBAMChannel(64), ChannelGate(64), "pytorchcv", features(2, 64, 5, 3))


def test_the_authors_weights_round_trip():
    module, other, x = drawn(CBAMChannel(32)), CBAMChannel(32).double(), features(2, 32, 5, 3)
    state = export_weights(module, "official")
    assert {name: tuple(values.shape) for name, values in state.items()} == {
        **{"mlp.1.weight": (2, 32), "mlp.1.bias": (2,)},
        **{"mlp.3.weight": (32, 2), "mlp.3.bias": (32,)},
    }
    import_weights(other, state, "official")
    assert torch.equal(other(x), module(x))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"reduction": True}, "cbam_channel: reduction=True is not allowed; it must be an integer of at least 1"),
        ({"pools": ()}, r"cbam_channel: pools=\(\) is not allowed; it must name some of 'mean', 'max', 'lp', 'lse'"),
        ({"pools": ("max", "max")}, r"pools=\('max', 'max'\) is not allowed; .* each once"),
        ({"pools": ("avg",)}, "pools='avg' is not allowed; choose one of 'mean', 'max', 'lp', 'lse'"),
        ({"pools": "mean"}, "pools='mean' is not allowed"),
        ({"bias": None}, "cbam_channel: bias=None is not allowed; it must be True or False"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        CBAMChannel(8, **options)
