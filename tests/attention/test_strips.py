import pytest
import torch

from regard.attention.strips import depthwise_convolution, strip_convolution
from regard.core.errors import OptionError
from tests.attention.drawn import arrays, assert_equal, drawn, features
from tests.attention.formulas import convolve


@pytest.mark.parametrize(("dims", "axis"), [(1, 0), (2, 0), (2, 1), (2, -1), (3, 1)])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_strip_covers_one_axis(dims, axis, dilation):
    layer, x = drawn(strip_convolution("lska", dims, axis, 3, 5, dilation=dilation)), features(2, 3, *(7, 4, 5)[:dims])
    p, along = arrays(layer), range(dims)[axis]
    # The same along every axis, with a kernel that is 0 beside the strip.
    whole = torch.zeros(3, 1, *(5,) * dims, dtype=torch.float64)
    whole[(..., *(slice(None) if other == along else 2 for other in range(dims)))] = layer.weight.detach().reshape(
        3, 1, 5
    )
    expected = convolve(x.numpy(), whole.numpy(), p["bias"], padding=2 * dilation, dilation=dilation, groups=3)
    assert_equal(layer(x), expected)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_depthwise_convolution_keeps_channels_apart(dims):
    layer, x = drawn(depthwise_convolution("lka", dims, 2, 3, dilation=2)), features(1, 2, *(5, 4, 3)[:dims])
    p = arrays(layer)
    assert_equal(layer(x), convolve(x.numpy(), p["weight"], p["bias"], padding=2, dilation=2, groups=2))


def test_the_number_of_axes_is_checked():
    with pytest.raises(OptionError, match="lka: dims=4 is not allowed"):
        depthwise_convolution("lka", 4, 2, 3)
