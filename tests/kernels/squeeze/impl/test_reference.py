import numpy as np
import pytest
import torch

from regard.kernels.squeeze.impl.reference import squeeze_positions

NUMPY = {"mean": np.mean, "max": np.max, "std": np.std}
SHAPES = [(3, 4, 7, 5), (1, 2, 9), (2, 3, 2, 3, 5), (1, 1, 1, 1), (2, 1, 1, 6)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("statistic", NUMPY)
def test_numpy_agrees(shape, statistic):
    x = torch.randn(shape, dtype=torch.float64)
    (result,) = squeeze_positions(x, (statistic,))
    expected = [[NUMPY[statistic](channel) for channel in image] for image in x.numpy()]
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("statistic", NUMPY)
def test_the_layout_does_not_matter(statistic):
    x = torch.randn(2, 3, 7, 5, dtype=torch.float64)
    (one,), (other,) = (squeeze_positions(y, (statistic,)) for y in (x, x.to(memory_format=torch.channels_last)))
    torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_accumulated_and_returned_in_float32(dtype):
    x = torch.full((1, 1, 256, 256), 100.0, dtype=dtype)
    x[..., ::2] = 300.0
    mean, peak, std = squeeze_positions(x, ("mean", "max", "std"))
    assert torch.isinf(x.sum()) == (dtype == torch.float16), "in float16 the plain sum overflows"
    assert {s.dtype for s in (mean, peak, std)} == {torch.float32}
    assert mean.item() == pytest.approx(200.0)
    assert peak.item() == 300.0
    assert std.item() == pytest.approx(100.0)


def test_wider_floats_stay_what_they_are():
    for dtype in (torch.float32, torch.float64):
        assert squeeze_positions(torch.ones(1, 1, 2, dtype=dtype), ("mean",))[0].dtype == dtype


@pytest.mark.parametrize("shape", SHAPES[:3])
@pytest.mark.parametrize("statistic", NUMPY)
def test_gradients(shape, statistic):
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: squeeze_positions(x, (statistic,)), x)


def test_ties_share_the_gradient_of_the_maximum():
    x = torch.tensor([[[2.0, 1.0, 2.0, 2.0]]], requires_grad=True)
    squeeze_positions(x, ("max",))[0].sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([[[1 / 3, 0.0, 1 / 3, 1 / 3]]]))


@pytest.mark.parametrize("size", [(1, 1), (4, 4)])
def test_a_constant_channel_has_zero_std_and_gradient(size):
    x = torch.full((1, 2, *size), 3.0, requires_grad=True)
    (std,) = squeeze_positions(x, ("std",))
    std.sum().backward()
    assert not std.any()
    assert not x.grad.any()
