import pytest
import torch

from regard.core import OptionError, ShapeError
from regard.kernels import squeeze_positions, sum_channels, sum_positions


def test_what_was_squeezed_has_the_same_sums():
    x, weight, weights = torch.randn(2, 3, 4, 5), torch.randn(3), torch.randn(2, 1, 4, 5)
    torch.testing.assert_close(sum_channels(squeeze_positions(x, "mean"), weight)[0], sum_channels(x, weight)[0])
    torch.testing.assert_close(sum_positions(squeeze_positions(x, "mean"), weights)[0], sum_positions(x, weights)[0])


@pytest.mark.parametrize(("x", "weight"), [((2, 3), (3,)), ((2, 3, 4), (4,)), ((2, 3, 4), (1, 3))])
def test_weights_of_channels_that_do_not_fit(x, weight):
    with pytest.raises(ShapeError, match=r"sum_channels: weight has shape .*; they must be \(c,\) and \(b, c"):
        sum_channels(torch.zeros(x), torch.zeros(weight))


@pytest.mark.parametrize(("x", "weights"), [((2, 3), (2, 1)), ((2, 3, 4), (2, 3, 4)), ((2, 3, 4), (1, 1, 4))])
def test_weights_of_positions_that_do_not_fit(x, weights):
    with pytest.raises(ShapeError, match=r"sum_positions: weights have shape .*; they must be \(b, 1, \.\.\.\)"):
        sum_positions(torch.zeros(x), torch.zeros(weights))


def test_an_unavailable_implementation_is_refused():
    with pytest.raises(OptionError, match="sum_channels: impl='gpu' is not available here"):
        sum_channels(torch.zeros(1, 2, 3), torch.zeros(2), impl="gpu")
    with pytest.raises(OptionError, match="sum_positions: impl='gpu' is not available here"):
        sum_positions(torch.zeros(1, 2, 3), torch.zeros(1, 1, 3), impl="gpu")
