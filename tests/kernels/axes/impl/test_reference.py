import numpy as np
import pytest
import torch

from regard.kernels.axes.impl.reference import apply_axis_gates, squeeze_axes

SHAPES = [(2, 3, 7, 5), (1, 2, 9), (2, 3, 2, 3, 5), (1, 1, 1, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_numpy_agrees(shape):
    x = torch.randn(shape, dtype=torch.float64)
    positions = range(2, len(shape))
    for axis, means in enumerate(squeeze_axes(x)):
        others = tuple(other for other in positions if other != axis + 2)
        np.testing.assert_allclose(means, x.numpy().mean(others), rtol=1e-12, atol=1e-14)
    gates = [
        torch.rand(*shape[:2], *(n if p == q else 1 for q, n in enumerate(shape[2:]))) for p in range(len(positions))
    ]
    expected = x.numpy()
    for gate in gates:
        expected = expected * gate.numpy()
    np.testing.assert_allclose(apply_axis_gates(x, [gate.double() for gate in gates]), expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_accumulated_in_float32(dtype):
    means = squeeze_axes(torch.full((1, 1, 4, 5000), 30.0, dtype=dtype))
    assert {m.dtype for m in means} == {torch.float32}
    assert all(torch.equal(m, torch.full_like(m, 30)) for m in means)


def test_gradients():
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    rows, columns = (torch.rand(size, dtype=torch.float64, requires_grad=True) for size in ((2, 3, 4, 1), (2, 3, 1, 5)))
    assert torch.autograd.gradcheck(
        lambda x, *gates: (apply_axis_gates(x, gates), *squeeze_axes(x)), (x, rows, columns)
    )
