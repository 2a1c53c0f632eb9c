import numpy as np
import pytest
import torch
from torch.nn import functional

from regard.attention.pooling import halve, surrounding_mean
from tests.attention.drawn import assert_equal, features


@pytest.mark.parametrize("shape", [(2, 3, 1), (2, 3, 7), (2, 3, 4, 5), (1, 2, 1, 6), (1, 2, 3, 4, 2)])
def test_halving_takes_maxima_of_windows_of_three(shape):
    x = features(*shape)
    y = halve(x)
    assert y.shape[2:] == tuple((n + 1) // 2 for n in shape[2:])
    for index in np.ndindex(*y.shape[2:]):
        window = x[(..., *(slice(2 * i, 2 * i + 3) for i in index))]
        assert torch.equal(y[(..., *index)], window.flatten(2).amax(2))


@pytest.mark.parametrize("size", [(8,), (8, 6), (4, 6, 2)])
def test_even_sizes_are_pooled_as_by_caffe(size):
    x = features(2, 3, *size)
    pool = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}[len(size)]
    assert torch.equal(halve(x), pool(x, 3, 2, ceil_mode=True))


@pytest.mark.parametrize("size", [(1,), (8,), (7, 6), (1, 3), (4, 5, 2)])
def test_with_a_border_it_is_pytorchs_padding(size):
    x = features(2, 3, *size)
    pool = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}[len(size)]
    assert torch.equal(halve(x, border=True), pool(x, 3, 2, padding=1))


def test_equal_values_share_the_gradient():
    x = torch.ones(1, 1, 2, requires_grad=True)
    halve(x).sum().backward()
    assert x.grad.tolist() == [[[0.5, 0.5]]]


@pytest.mark.parametrize("size", [(1,), (9,), (5, 4), (1, 3), (3, 4, 2)])
@pytest.mark.parametrize("kernel_size", [3, 7])
def test_the_mean_is_over_a_zero_padded_window(size, kernel_size):
    x, half = features(2, 3, *size), kernel_size // 2
    padded = np.pad(x.numpy(), [(0, 0), (0, 0)] + [(half, half)] * len(size))
    expected = np.empty(x.shape)
    for index in np.ndindex(*size):
        window = padded[(..., *(slice(i, i + kernel_size) for i in index))]
        expected[(..., *index)] = window.mean(tuple(range(2, 2 + len(size))))
    assert_equal(surrounding_mean(x, kernel_size), expected)
