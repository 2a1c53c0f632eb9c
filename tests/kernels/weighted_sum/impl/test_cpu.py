import pytest
import torch

from regard.kernels import sum_channels
from tests.kernels.cases import (
    DTYPES,
    UNITS,
    WEIGHTED_SUMS,
    assert_on_everything,
    assert_on_representatives,
    draw,
    needs_extension,
)

pytestmark = needs_extension

MORE = 4
"""Units beyond those of a single primitive: what follows sums of sums carries their errors on."""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", WEIGHTED_SUMS)
def test_it_is_as_good_as_the_oracle(name, dtype):
    assert_on_representatives(WEIGHTED_SUMS[name], dtype, UNITS + MORE)


@pytest.mark.long
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", WEIGHTED_SUMS)
def test_it_is_as_good_on_everything(name, dtype):
    assert_on_everything(WEIGHTED_SUMS[name], dtype, UNITS + MORE)


@pytest.mark.parametrize("layout", ["rows", "positions"])
@pytest.mark.parametrize("name", WEIGHTED_SUMS)
def test_every_gradient_is_that_of_small_differences(name, layout):
    inputs = [tensor.requires_grad_() for tensor in draw((2, 3, 2, 3), torch.float64, layout)]
    assert torch.autograd.gradcheck(WEIGHTED_SUMS[name], inputs)


def test_the_features_alone_may_have_no_gradient():
    x, weight = torch.randn(2, 3, 4), torch.randn(3, requires_grad=True)
    sum_channels(x, weight)[0].sum().backward()
    torch.testing.assert_close(weight.grad, x.sum((0, 2)))
