import math

import numpy as np
import pytest
import torch
from timm.layers.eca import CecaModule, EcaModule

from regard.attention.channel.eca import ECA, adaptive_kernel_size
from regard.attention.exchange import export_weights, import_weights
from regard.core.errors import OptionError
from tests.attention.drawn import PLAIN_RESNET, arrays, assert_equal, block_outputs, count, drawn, features
from tests.attention.formulas import over_positions, positions_mean, relu, sigmoid
from tests.attention.twins import assert_twins


def neighbours(values, weight, circular=False):
    """Each channel's weighted sum of the k channels around it, those outside being 0 or those of the other end."""
    half = len(weight) // 2
    sums = np.zeros_like(values)
    for c in range(values.shape[1]):
        for offset in range(-half, half + 1):
            if circular or 0 <= c + offset < values.shape[1]:
                sums[:, c] += weight[half + offset] * values[:, (c + offset) % values.shape[1]]
    return sums


def formula(x, p, circular=False):
    """The gate of section 3.2, and with timm's hidden layer before the convolution."""
    means = positions_mean(x)
    if "conv.weight" in p:
        return x * over_positions(sigmoid(neighbours(means, p["conv.weight"].ravel(), circular)), x)
    logits = p["join.bias"] + np.zeros_like(means)
    for unit, (a, d) in enumerate(zip(p["spread.weight"].ravel(), p["spread.bias"], strict=True)):
        logits += neighbours(relu(a * means + d), p["join.weight"][0, unit], circular)
    return x * over_positions(sigmoid(logits), x)


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1)])
@pytest.mark.parametrize("kernel_size", [None, 1, 5, 9])
def test_it_is_the_papers_formula(shape, kernel_size):
    module, x = drawn(ECA(6, kernel_size=kernel_size)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module)))


def test_a_case_computed_by_hand():
    module = ECA(2, kernel_size=3)
    with torch.no_grad():
        module.conv.weight.copy_(torch.tensor([[[1.0, 0.0, math.log(3) / 2]]]))
    # The means are 0 and 2: the first logit is log 3 / 2 * 2, the second 1 * 0.
    y = module(torch.tensor([[[-4.0, 4.0], [1.0, 3.0]]]))
    assert y.tolist() == [[[pytest.approx(-3.0), pytest.approx(3.0)], [0.5, 1.5]]]


def nearest_odd(t):
    """The paper's |t|_odd by its words: the nearest odd number, of two the larger."""
    return max(range(1, 99, 2), key=lambda k: (-abs(k - t), k))


def test_the_rule_for_the_kernel_is_the_papers():
    for channels in range(1, 5000):
        assert adaptive_kernel_size(channels) == nearest_odd(abs(math.log2(channels) / 2 + 1 / 2)), channels
    assert ECA(256).conv.kernel_size == (5,)
    assert ECA(256, gamma=1, beta=3).conv.kernel_size == (11,)


def test_an_explicit_kernel_is_respected():
    assert [ECA(64, kernel_size=k).conv.kernel_size for k in (1, 3, 7)] == [(1,), (3,), (7,)]
    assert ECA(64, kernel_size=7).conv.bias is None


@pytest.mark.parametrize(
    ("depth", "kernels", "published"),
    [
        (18, (3, 5, 7, 7), 11_689_556),
        (34, (3, 3, 5, 7), 21_797_744),
        (50, (3, 5, 5, 7), 25_557_112),
        (101, (3, 3, 5, 7), 44_549_317),
    ],
)
def test_counts_of_the_released_networks(depth, kernels, published):
    added = (n * count(ECA(c, kernel_size=k)) for (c, n), k in zip(block_outputs(depth), kernels, strict=True))
    assert PLAIN_RESNET[depth] + sum(added) == published


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("kernel_size", [None, 1, 5, 9])
@pytest.mark.parametrize("hidden", [None, 3])
@pytest.mark.parametrize("padding", ["zeros", "circular"])
def test_the_forms_of_timm_are_their_formulas(channels, kernel_size, hidden, padding):
    module = drawn(ECA(channels, kernel_size=kernel_size, hidden=hidden, padding=padding))
    x = features(2, channels, 5, 3)
    assert_equal(module(x), formula(x.numpy(), arrays(module), padding == "circular"))


def test_a_circle_computed_by_hand():
    module = ECA(3, kernel_size=3, padding="circular")
    with torch.no_grad():
        module.conv.weight.copy_(torch.tensor([[[0.0, 0.0, math.log(3)]]]))
    # The logit of the last channel is log 3 times the mean of the first.
    y = module(torch.tensor([[[1.0, 1.0], [0.0, 0.0], [4.0, 8.0]]]))
    assert y.flatten().tolist() == pytest.approx([0.5, 0.5, 0.0, 0.0, 3.0, 6.0])


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_timm_agrees(kernel_size):
    x = features(2, 16, 5, 3)
    assert_twins(ECA(16, kernel_size=kernel_size), EcaModule(kernel_size=kernel_size), "timm", x)
    circular = ECA(16, kernel_size=kernel_size, padding="circular")
    assert_twins(circular, CecaModule(kernel_size=kernel_size), "timm", x)


def test_timms_hidden_layer_agrees():
    theirs = EcaModule(channels=64, use_mlp=True, rd_channels=8)
    module = ECA(64, kernel_size=theirs.conv2.kernel_size[0], hidden=8)
    assert_twins(module, theirs, "timm", features(2, 64, 5, 3))
    assert count(module) == ECA.count(64, kernel_size=3, hidden=8) == 16 + 8 * 3 + 1


def test_the_authors_weights_round_trip():
    module, other, x = drawn(ECA(16)), ECA(16).double(), features(2, 16, 5, 3)
    state = export_weights(module, "official")
    assert [*state] == ["conv.weight"]
    import_weights(other, state, "official")
    assert torch.equal(other(x), module(x))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kernel_size": 4}, r"eca: kernel_size=4 is not allowed; it must be odd.*\(try 3 or 5\)"),
        ({"kernel_size": 0}, "eca: kernel_size=0 is not allowed; it must be an integer of at least 1"),
        ({"padding": "reflect"}, "eca: padding='reflect' is not allowed; choose one of 'zeros', 'circular'"),
        ({"hidden": 0}, "eca: hidden=0 is not allowed; it must be an integer of at least 1"),
        ({"gamma": 0}, "eca: gamma=0 is not allowed; it must be a number above 0"),
        ({"beta": float("nan")}, "eca: beta=nan is not allowed; it must be a number above 0"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        ECA(8, **options)
