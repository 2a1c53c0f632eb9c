import math

import pytest
import torch

from regard.attention.mixed.simam import LOWEST, SimAM
from regard.core.errors import OptionError, ShapeError
from tests.attention.drawn import assert_equal, features
from tests.attention.formulas import sigmoid


def formula(x, regularisation=1e-4, unbiased=True):
    """Equations 5 and 6 of the paper, value by value: the energy of each neuron among those of its channel."""
    y = x.copy()
    for n, image in enumerate(x):
        for c, channel in enumerate(image):
            t, mean = channel, channel.mean()
            count = channel.size - 1 if unbiased else channel.size
            variance = ((t - mean) ** 2).sum() / count
            energy = 4 * (variance + regularisation) / ((t - mean) ** 2 + 2 * variance + 2 * regularisation)
            y[n, c] = sigmoid(1 / energy) * t
    return y


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (2, 6, 1, 8)])
@pytest.mark.parametrize(("regularisation", "unbiased"), [(1e-4, True), (0.5, True), (1e-4, False)])
def test_it_is_the_papers_formula(shape, regularisation, unbiased):
    module, x = SimAM(6, regularisation=regularisation, unbiased=unbiased), features(*shape)
    assert_equal(module(x), formula(x.numpy(), regularisation, unbiased))


def test_a_case_computed_by_hand():
    # The mean is 2, every square is 1, the variance 4 / 3 or 1, so 1 / e is 1 / (16 / 3) + 1 / 2 or 1 / 4 + 1 / 2.
    x = torch.tensor([[[1.0, 3.0, 1.0, 3.0]]])
    for unbiased, importance in ((True, 3 / 16 + 1 / 2), (False, 1 / 4 + 1 / 2)):
        y = SimAM(1, unbiased=unbiased, regularisation=1e-12)(x)
        gate = 1 / (1 + math.exp(-importance))
        assert y.flatten().tolist() == pytest.approx([gate, 3 * gate, gate, 3 * gate])


@pytest.mark.parametrize("unbiased", [True, False])
def test_a_value_at_the_mean_is_lowest(unbiased):
    module, seen = SimAM(2, unbiased=unbiased), []
    module.gate.sink = seen.append
    for x in (torch.full((1, 2, 1, 1), 7.0), torch.full((1, 2, 4, 4), 7.0)):
        y = module(x.requires_grad_())
        assert y.flatten().tolist() == pytest.approx([7 / (1 + math.exp(-0.5))] * x.numel())
        (gradient,) = torch.autograd.grad(y.sum(), x)
        assert gradient.isfinite().all()
    assert all(values.min() > LOWEST for values in seen)


def test_it_has_no_parameters():
    assert not list(SimAM(64).parameters())
    assert not SimAM(64).state_dict()
    assert [name for name, _ in SimAM(64, start="identity").named_parameters()] == ["strength"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"regularisation": 0.0}, "simam: regularisation=0.0 is not allowed; it must be a number above 0"),
        ({"unbiased": 1}, "simam: unbiased=1 is not allowed; it must be True or False"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        SimAM(8, **options)


def test_wrong_features_are_said():
    with pytest.raises(ShapeError, match="so 7 channels"):
        SimAM(8)(torch.zeros(2, 7, 3, 3))
