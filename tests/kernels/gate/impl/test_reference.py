import numpy as np
import pytest
import torch

from regard.kernels.gate.impl.reference import apply_gate

GATES = [(2, 3, 1, 1), (2, 1, 4, 5), (2, 3, 4, 5)]


@pytest.mark.parametrize("shape", GATES)
def test_numpy_agrees(shape):
    x, gate = torch.randn(2, 3, 4, 5, dtype=torch.float64), torch.rand(shape, dtype=torch.float64)
    np.testing.assert_array_equal(apply_gate(x, gate), x.numpy() * gate.numpy())


@pytest.mark.parametrize("shape", GATES)
def test_dtype_and_strides_are_those_of_the_features(shape):
    x = torch.randn(2, 3, 4, 5).half()
    for features in (
        x,
        x.to(memory_format=torch.channels_last),
        x.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0),
    ):
        y = apply_gate(features, torch.rand(shape))
        assert (y.dtype, y.stride()) == (torch.float16, features.stride())


@pytest.mark.parametrize("shape", GATES)
def test_gradients(shape):
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    gate = torch.rand(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(apply_gate, (x, gate))
