import pytest
import torch

from regard.kernels import convolve_planes
from regard.kernels.planes.impl.cpu import serves
from tests.kernels.cases import Poisoned, lay_out, needs_extension

pytestmark = needs_extension

SIZES = (
    (2, 2, 7, 7, 7),
    (1, 2, 1, 1, 7),
    (3, 2, 5, 33, 3),
    (2, 3, 17, 13, 5),
    (2, 4, 9, 9, 1),
    (1, 2, 56, 57, 7),
    (2, 2, 3, 2, 11),
)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_it_is_pytorchs_convolution(size, dtype):
    b, n, h, w, k = size
    x = lay_out(torch.randn(b, n, h, w), dtype, offset=3).requires_grad_()
    weight, above = torch.randn(1, n, k, k, dtype=dtype, requires_grad=True), torch.randn(b, 1, h, w, dtype=dtype)
    with Poisoned():
        y = convolve_planes(x, weight, impl="cpu")
        found = (y, *torch.autograd.grad(y, (x, weight), above))
    exact = [tensor.detach().double().requires_grad_() for tensor in (x, weight)]
    expected = convolve_planes(*exact, impl="reference")
    for one, other in zip(found, (expected, *torch.autograd.grad(expected, exact, above.double())), strict=True):
        room = torch.finfo(dtype).eps * 8 * other.abs().max().item()
        torch.testing.assert_close(one.double(), other, rtol=0, atol=room)


def test_its_gradients_are_those_of_small_differences():
    inputs = torch.randn(2, 2, 3, 4, dtype=torch.float64), torch.randn(1, 2, 3, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda x, weight: convolve_planes(x, weight, impl="cpu"), [tensor.requires_grad_() for tensor in inputs]
    )


def test_what_is_no_number_reaches_its_neighbours_alone():
    x = torch.zeros(1, 2, 9, 9)
    x[0, 1, 4, 4] = torch.nan
    y = convolve_planes(x, torch.ones(1, 2, 3, 3), impl="cpu")
    assert y.isnan()[0, 0, 3:6, 3:6].all()
    assert y.isnan().sum() == 9


def test_many_planes_and_other_dtypes_are_left():
    x = torch.ones(1, 5, 4, 4)
    assert not serves(x, torch.ones(1, 5, 3, 3))
    assert not serves(x[:, :2].half(), torch.ones(1, 2, 3, 3).half())
    assert not serves(x[:, :2].to(memory_format=torch.channels_last)[..., ::2], torch.ones(1, 2, 3, 3))
    assert serves(x[:, :2], torch.ones(1, 2, 3, 3))
