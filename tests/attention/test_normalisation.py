import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from regard.attention.normalisation import GateNorm
from regard.core import ShapeError
from tests.attention.drawn import drawn, features
from tests.attention.formulas import batch_statistics, normalise


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (2, 3, 5, 4), (2, 3, 2, 3, 4), (1, 3, 1, 2)])
def test_it_normalises_by_the_batch_and_then_by_what_it_remembers(shape):
    norm, x = drawn(GateNorm(3, momentum=0.2)), features(*shape)
    mean, variance = norm.running_mean.numpy().copy(), norm.running_var.numpy().copy()
    weight, bias = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    np.testing.assert_allclose(norm(x).detach(), normalise(x.numpy(), mean, variance, weight, bias), rtol=1e-11)
    seen, spread = batch_statistics(x.numpy())
    expected = normalise(x.numpy(), seen, spread, weight, bias)
    np.testing.assert_allclose(norm.train()(x).detach(), expected, rtol=1e-9)
    np.testing.assert_allclose(norm.running_mean, 0.8 * mean + 0.2 * seen)
    n = x.numel() // 3
    np.testing.assert_allclose(norm.running_var, 0.8 * variance + 0.2 * spread * n / (n - 1))


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1), (1, 3, 1, 1)])
def test_a_single_value_trains_on_running_statistics_and_warns_once(shape):
    norm = drawn(GateNorm(3))
    x = features(*shape)
    expected, before = norm(x), copy.deepcopy(norm.state_dict())
    norm.train()
    with pytest.warns(UserWarning, match="3 channels saw one value per channel"):
        assert torch.equal(norm(x), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        norm(x)
    assert all(torch.equal(values, before[name]) for name, values in norm.state_dict().items())
    norm(x).sum().backward()
    assert norm.weight.grad is not None


def test_strict_refuses_a_single_value_and_nothing_else():
    norm = GateNorm(3, strict=True)
    with pytest.raises(ShapeError, match="train with batches of two or more"):
        norm(torch.randn(1, 3))
    norm(torch.randn(2, 3))
    norm.eval()(torch.randn(1, 3))


def test_it_is_a_batch_normalisation_to_others():
    assert isinstance(GateNorm(3), nn.modules.batchnorm._BatchNorm)
    with pytest.raises(ShapeError, match="input has shape"):
        GateNorm(3)(torch.randn(3))


def test_copies_and_pickles_work():
    norm = drawn(GateNorm(3, strict=True))
    for copied in (copy.deepcopy(norm), pickle.loads(pickle.dumps(norm))):
        assert copied.strict
        assert torch.equal(copied(torch.ones(2, 3).double()), norm(torch.ones(2, 3).double()))


def test_what_overflowed_in_float16_becomes_no_nan():
    norm, x = GateNorm(2).half(), torch.full((3, 2, 4), 1.0).half()
    x[0, 0], x[1, 0] = torch.inf, -torch.inf
    assert norm(x).isfinite().all()
    assert norm.float()(x.float())[:, 0].isnan().all()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("size", [(2, 4), (1, 3), (2, 3, 2)])
def test_gradients_are_right_for_features_and_gradients_in_any_layout(training, batch, size):
    norm = drawn(GateNorm(3)).train(training)
    x, upstream = features(batch, 3, *size), features(batch, 3, *size, seed=2)
    layouts = {
        "plain": torch.Tensor.contiguous,
        "tokens": lambda t: t.flatten(2).transpose(1, 2).contiguous().transpose(1, 2).reshape(t.shape),
    }
    gradients = []
    for of_x in layouts.values():
        for of_gradient in layouts.values():
            given = of_x(x).detach().requires_grad_()
            norm(given).backward(of_gradient(upstream))
            gradients.append(given.grad)
    for gradient in gradients[1:]:
        torch.testing.assert_close(gradient, gradients[0], rtol=1e-11, atol=1e-12)
    assert torch.autograd.gradcheck(norm, (layouts["tokens"](x).detach().requires_grad_(),))
