import math

import numpy as np
import pytest
import torch

from regard.attention.channel.gated_channel import GatedChannel
from regard.attention.exchange import export_weights, import_weights
from regard.core.errors import OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names


def formula(x, p, mode="l2", e=1e-5):
    """Equations 3, 4 and 6 of the paper, with the epsilon where the authors' code has it."""
    y = np.empty_like(x)
    for b in range(x.shape[0]):
        if mode == "l2":
            s = [p["alpha"][c] * math.sqrt((x[b, c] ** 2).sum() + e) for c in range(x.shape[1])]
            whole = math.sqrt(np.mean([size**2 for size in s]) + e)
        else:
            s = [p["alpha"][c] * np.abs(x[b, c]).sum() for c in range(x.shape[1])]
            whole = np.mean([abs(size) for size in s]) + e
        for c in range(x.shape[1]):
            y[b, c] = x[b, c] * (1 + math.tanh(p["gamma"][c] * s[c] / whole + p["beta"][c]))
    return y


def authors(x, state, mode="l2", e=1e-5):
    """The gate of the authors' code by its state dict, in PyTorch."""
    if mode == "l2":
        size = torch.sqrt(x.square().sum((2, 3), keepdim=True) + e) * state["alpha"]
        whole = torch.sqrt(size.square().mean(1, keepdim=True) + e)
    else:
        size = x.abs().sum((2, 3), keepdim=True) * state["alpha"]
        whole = size.abs().mean(1, keepdim=True) + e
    return x * (1 + torch.tanh(size * state["gamma"] / whole + state["beta"]))


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1), (2, 1, 4, 4)])
@pytest.mark.parametrize("mode", ["l2", "l1"])
@pytest.mark.parametrize("epsilon", [1e-5, 0.5])
def test_it_is_the_papers_formula(shape, mode, epsilon):
    module, x = drawn(GatedChannel(shape[1], mode=mode, epsilon=epsilon)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), mode, epsilon))


def test_a_case_computed_by_hand():
    module = GatedChannel(2, epsilon=1e-12).double()
    with torch.no_grad():
        module.gamma.copy_(torch.tensor([math.atanh(0.5), 0.0]))
        module.beta.copy_(torch.tensor([0.0, math.atanh(-0.5)]))
    # Both channels have the size 5, so each is as large as the mean: the gates are 1 + 1/2 and 1 - 1/2.
    y = module(torch.tensor([[[3.0, 4.0], [-5.0, 0.0]]], dtype=torch.float64))
    assert y.flatten().tolist() == pytest.approx([4.5, 6.0, -2.5, 0.0])


@pytest.mark.parametrize("mode", ["l2", "l1"])
def test_the_authors_code_agrees_with_its_gradient(mode):
    module, x = drawn(GatedChannel(6, mode=mode)), features(2, 6, 5, 3)
    state = export_weights(module, "official")
    assert {name: tuple(values.shape) for name, values in state.items()} == dict.fromkeys(
        ("alpha", "gamma", "beta"), (1, 6, 1, 1)
    )
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, want = module(ours), authors(theirs, state, mode)
    torch.testing.assert_close(y, want, rtol=1e-11, atol=1e-12)
    for out in (y, want):
        (out * features(*out.shape, seed=5)).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-11, atol=1e-12)
    other = GatedChannel(6, mode=mode).double()
    import_weights(other, state, "official")
    assert torch.equal(other(x), module(x))


@pytest.mark.parametrize("mode", ["l2", "l1"])
def test_it_starts_as_the_identity_as_published(mode):
    x = torch.randn(2, 8, 5, 3)
    assert torch.equal(GatedChannel(8, mode=mode)(x), x)


def test_counts_and_order():
    assert count(GatedChannel(64)) == 3 * 64
    assert names(GatedChannel(8)) == ["alpha", "gamma", "beta"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mode": "l3"}, "gated_channel: mode='l3' is not allowed; choose one of 'l2', 'l1'"),
        ({"epsilon": 0}, "gated_channel: epsilon=0 is not allowed; it must be a number above 0"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        GatedChannel(8, **options)
