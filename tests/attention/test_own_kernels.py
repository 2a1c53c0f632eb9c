import numpy as np
import pytest
import torch

from regard.attention import own_kernels
from regard.attention.own_kernels import convolve_each, expect_identity, mix_kernels
from regard.core.errors import OptionError
from tests.attention.drawn import assert_equal, features
from tests.attention.formulas import convolve


def image_by_image(x, kernels, stride, groups):
    return np.concatenate(
        [
            convolve(image[None], kernel, stride=stride, padding=kernel.shape[-1] // 2, groups=groups)
            for image, kernel in zip(x, kernels, strict=True)
        ]
    )


WAYS = {"of groups": own_kernels._in_groups, "of columns": own_kernels._of_columns}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "groups"),
    [((7, 5), 3, 1, 1), ((6, 9), 3, 2, 2), ((1, 1), 5, 1, 1), ((9,), 3, 3, 2), ((3, 4, 5), 3, 2, 1), ((4, 4), 1, 2, 2)],
)
def test_both_ways_use_each_images_own_kernel(way, size, kernel, stride, groups):
    x, kernels = features(3, 4, *size), features(3, 6, 4 // groups, *(kernel,) * len(size), seed=2)
    assert_equal(way(x, kernels, stride, groups), image_by_image(x.numpy(), kernels.numpy(), stride, groups))


def test_both_ways_have_the_same_gradients():
    found = []
    for way in WAYS.values():
        x, kernels = features(3, 4, 5, 6).requires_grad_(), features(3, 2, 2, 3, 3, seed=2).requires_grad_()
        way(x, kernels, 2, 2).square().sum().backward()
        found.append((x.grad, kernels.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


def test_a_batch_of_any_size_is_exported():
    class Each(torch.nn.Module):
        def forward(self, x, kernels):
            return convolve_each(x, kernels)

    inputs = features(2, 3, 6, 5), features(2, 4, 3, 3, 3, seed=2)
    any_size = torch.export.Dim.DYNAMIC
    program = torch.export.export(Each(), inputs, dynamic_shapes=({0: any_size, 2: any_size}, {0: any_size}))
    x, kernels = features(5, 3, 9, 5), features(5, 4, 3, 3, 3, seed=2)
    torch.testing.assert_close(program.module()(x, kernels), convolve_each(x, kernels), rtol=1e-11, atol=1e-12)


def test_kernels_are_mixed_by_shares():
    shares, kernels = features(3, 4, 1, 1, 1), features(4, 2, 3, 5, 5, seed=2)
    expected = sum(shares[:, i].reshape(3, 1, 1, 1, 1) * kernels[i] for i in range(4))
    assert_equal(mix_kernels(shares, kernels), expected.numpy())


def test_an_identity_start_needs_equal_shapes():
    expect_identity("own", "identity", 8, 8, 1)
    expect_identity("own", "paper", 8, 16, 2)
    for width, stride in ((16, 1), (8, 2)):
        with pytest.raises(OptionError, match=r"own: start='identity' is not allowed with .*use start='paper'"):
            expect_identity("own", "identity", 8, width, stride)
