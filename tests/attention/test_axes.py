import pytest
import torch

from regard.attention.axes import axis_means, laid_along
from tests.attention.drawn import assert_equal, features


@pytest.mark.parametrize("size", [(7,), (4, 5), (3, 4, 5)])
def test_the_means_are_over_all_other_axes(size):
    x = features(2, 3, *size)
    for axis, means in enumerate(axis_means(x)):
        assert_equal(means, x.numpy().mean(tuple(a for a in range(2, x.ndim) if a != axis + 2)))
    assert len(axis_means(x)) == len(size)


def test_half_features_are_averaged_in_float32():
    means = axis_means(torch.full((1, 1, 4, 100), 60000.0).half())
    assert means[0].dtype == means[1].dtype == torch.float32
    torch.testing.assert_close(means[0].flatten(), torch.full((4,), 60000.0), rtol=1e-3, atol=0)


def test_values_lie_along_their_axis():
    values = features(2, 3, 5)
    for axis, shape in enumerate([(2, 3, 5, 1, 1), (2, 3, 1, 5, 1), (2, 3, 1, 1, 5)]):
        laid = laid_along(values, axis, 3)
        assert laid.shape == shape
        assert torch.equal(laid.reshape(2, 3, 5), values)
