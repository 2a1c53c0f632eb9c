import pytest
import torch
from torch import nn

from regard.testing import allowed_difference, features, longest_sum


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_it_grows_with_the_sum(dtype):
    eps = torch.finfo(dtype).eps
    assert 8 * eps < allowed_difference(dtype) <= allowed_difference(dtype, 100) <= 8 * 11 * eps
    assert allowed_difference(dtype, 10_000) > allowed_difference(dtype, 100)


def test_half_precision_counts_sums_in_float32():
    added = allowed_difference(torch.float16, 10_000) - allowed_difference(torch.float16)
    assert added == pytest.approx(8 * 99 * torch.finfo(torch.float32).eps)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("terms", [10, 1000])
def test_a_chain_of_layers_stays_within_it(dtype, terms):
    torch.manual_seed(terms)
    layers = nn.Sequential(nn.Linear(terms, terms), nn.Tanh(), nn.Linear(terms, terms), nn.Sigmoid()).to(dtype)
    x = torch.randn(8, terms).to(dtype)
    with torch.no_grad():
        got, want = layers(x).double(), layers.double()(x.double())
    allowed = allowed_difference(dtype, longest_sum(layers, [x])) * float(want.abs().max())
    assert 0 < float((got - want).abs().max()) < allowed


def test_a_rounding_to_half_the_digits_does_not():
    x = features(dtype=torch.float32)
    rounded = x.half().float()
    assert float((x - rounded).abs().max() / x.abs().max()) > allowed_difference(
        torch.float32, longest_sum(nn.ReLU(), [x])
    )


def test_the_longest_sum_is_positions_or_fan_in():
    assert longest_sum(nn.ReLU(), [torch.zeros(2, 3, 5, 7)]) == 70
    assert longest_sum(nn.Linear(200, 2), [torch.zeros(2, 3, 5, 7)]) == 200
    assert longest_sum(nn.BatchNorm2d(8), [torch.zeros(2)]) == 1
