import numpy as np
import pytest
import torch

from regard.kernels.branch_select.impl.reference import select_branches


@pytest.mark.parametrize(("count", "shape"), [(1, (2, 3, 4)), (2, (2, 3, 4, 5)), (3, (1, 2, 2, 3, 4))])
def test_numpy_agrees(count, shape):
    branches = tuple(torch.randn(shape, dtype=torch.float64) for _ in range(count))
    weights = torch.rand(shape[0], count, shape[1], *(1,) * (len(shape) - 2), dtype=torch.float64)
    expected = np.einsum(
        "kbc...,bkc...->bc...", np.stack(branches), np.broadcast_to(weights, (shape[0], count, *shape[1:]))
    )
    np.testing.assert_allclose(select_branches(branches, weights), expected, rtol=1e-12, atol=1e-14)


def test_dtype_and_strides_are_those_of_the_branches():
    branches = tuple(torch.randn(2, 3, 4, 5).half().to(memory_format=torch.channels_last) for _ in range(2))
    y = select_branches(branches, torch.rand(2, 2, 3, 1, 1))
    assert (y.dtype, y.stride()) == (torch.float16, branches[0].stride())


def test_gradients():
    branches = tuple(torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    weights = torch.rand(2, 3, 3, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda weights, *branches: select_branches(branches, weights), (weights, *branches))
