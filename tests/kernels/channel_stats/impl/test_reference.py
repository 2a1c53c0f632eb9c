import numpy as np
import pytest
import torch

from regard.kernels.channel_stats.impl.reference import squeeze_channels

NUMPY = {"mean": np.mean, "max": np.max}
SHAPES = [(3, 4, 7, 5), (1, 2, 9), (2, 3, 2, 3, 5), (1, 1, 1, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("statistic", NUMPY)
def test_numpy_agrees(shape, statistic):
    x = torch.randn(shape, dtype=torch.float64)
    (result,) = squeeze_channels(x, (statistic,))
    expected = NUMPY[statistic](x.numpy(), axis=1)[:, None]
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-14)


def test_half_precision_is_accumulated_and_returned_in_float32():
    x = torch.full((1, 2048, 2), 40.0, dtype=torch.float16)
    x[:, ::2] = 60.0
    mean, peak = squeeze_channels(x, ("mean", "max"))
    assert torch.isinf(x.sum(1)).all(), "in float16 the plain sum overflows"
    assert (mean.dtype, peak.dtype) == (torch.float32, torch.float32)
    assert mean.flatten().tolist() == [50.0, 50.0]
    assert peak.flatten().tolist() == [60.0, 60.0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("statistic", NUMPY)
def test_gradients(shape, statistic):
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: squeeze_channels(x, (statistic,)), x)


def test_ties_share_the_gradient_of_the_maximum():
    x = torch.tensor([[[2.0], [2.0], [1.0]]], requires_grad=True)
    squeeze_channels(x, ("max",))[0].sum().backward()
    assert x.grad.flatten().tolist() == [0.5, 0.5, 0.0]
