import math

import numpy as np
import pytest
import torch
from timm.layers.eca import EcaModule

from regard.attention.channel.eca import ECA, adaptive_kernel_size
from regard.core.errors import OptionError
from tests.attention.drawn import PLAIN_RESNET, arrays, assert_equal, block_outputs, count, drawn, features
from tests.attention.formulas import over_positions, positions_mean, sigmoid


def formula(x, p):
    """Each channel's logit is the weighted sum of the k channels around it, outside ones being 0."""
    weight = p["conv.weight"].ravel()
    half, means = len(weight) // 2, positions_mean(x)
    logits = np.zeros_like(means)
    for c in range(x.shape[1]):
        for offset in range(-half, half + 1):
            if 0 <= c + offset < x.shape[1]:
                logits[:, c] += weight[half + offset] * means[:, c + offset]
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


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_timm_agrees(kernel_size):
    module, theirs = drawn(ECA(16, kernel_size=kernel_size)), EcaModule(kernel_size=kernel_size).double()
    theirs.load_state_dict(module.state_dict())
    x = features(2, 16, 5, 3)
    torch.testing.assert_close(module(x), theirs(x), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kernel_size": 4}, r"eca: kernel_size=4 is not allowed; it must be odd.*\(try 3 or 5\)"),
        ({"kernel_size": 0}, "eca: kernel_size=0 is not allowed; it must be an integer of at least 1"),
        ({"gamma": 0}, "eca: gamma=0 is not allowed; it must be a number above 0"),
        ({"beta": float("nan")}, "eca: beta=nan is not allowed; it must be a number above 0"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        ECA(8, **options)
