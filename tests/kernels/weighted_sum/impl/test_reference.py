import torch
from torch.nn.functional import conv2d

from regard.kernels.weighted_sum.impl.reference import sum_channels, sum_positions


def test_the_sum_of_channels_is_a_convolution():
    x, weight = torch.randn(2, 3, 4, 5, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    torch.testing.assert_close(sum_channels(x, weight), conv2d(x, weight.view(1, 3, 1, 1)))


def test_equal_shares_give_the_mean():
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(sum_positions(x, torch.full_like(x[:, :1], 1 / 20)), x.mean((2, 3)))


def test_sums_that_half_precision_cannot_hold():
    x = torch.full((1, 1, 64), 64.0).half()
    assert sum_positions(x, torch.full((1, 1, 64), 64.0).half()).item() == 262144
