import pytest
import torch

from regard.core import OptionError, ShapeError
from regard.kernels import convolve_planes


@pytest.mark.parametrize(
    ("x", "weight"),
    [
        ((1, 2, 5), (1, 2, 3, 3)),
        ((1, 2, 5, 5), (2, 2, 3, 3)),
        ((1, 2, 5, 5), (1, 3, 3, 3)),
        ((1, 2, 5, 5), (1, 2, 2, 2)),
    ],
)
def test_weights_that_do_not_fit_are_refused(x, weight):
    with pytest.raises(ShapeError, match=r"convolve_planes: weight has shape .*; they must be \(1, n, k, k\), k odd"):
        convolve_planes(torch.zeros(x), torch.zeros(weight))


def test_an_unavailable_implementation_is_refused():
    with pytest.raises(OptionError, match="convolve_planes: impl='gpu' is not available here"):
        convolve_planes(torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3), impl="gpu")


def test_the_oracle_serves_half_precision():
    x, weight = torch.ones(1, 2, 3, 3).bfloat16(), torch.ones(1, 2, 3, 3).bfloat16()
    assert convolve_planes(x, weight)[0, 0, 1, 1] == 18
