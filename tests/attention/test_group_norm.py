import pytest
import torch
from torch import nn

from regard.attention.group_norm import group_normalise
from tests.attention.drawn import drawn, features


@pytest.mark.parametrize("shape", [(2, 6, 5), (3, 6, 4, 7), (2, 6, 2, 3, 4)])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_it_is_group_normalisation(shape, groups):
    norm, x = drawn(nn.GroupNorm(groups, 6)), features(*shape)
    torch.testing.assert_close(group_normalise(norm, x), norm(x), rtol=1e-11, atol=1e-12)


def test_half_features_are_normalised_in_float32():
    norm = nn.GroupNorm(2, 4).half()
    x = (200 + 300 * torch.randn(2, 4, 32, 32)).half()
    y = group_normalise(norm, x)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, norm.float()(x.float()), rtol=1e-4, atol=1e-5)


def test_a_group_of_one_value_gives_the_bias():
    norm = drawn(nn.GroupNorm(3, 3))
    y = group_normalise(norm, features(1, 3, 1, 1))
    assert torch.equal(y.flatten(), norm.bias)
