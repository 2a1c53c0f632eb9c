import pytest
import torch

from regard.core import OptionError, ShapeError
from regard.kernels import apply_gate


@pytest.mark.parametrize("shape", [(2, 3, 1, 1), (2, 1, 4, 5), (2, 3, 4, 5), (1, 1, 1, 1), (1, 3, 1, 5)])
def test_a_gate_that_fits_is_applied(shape):
    x, gate = torch.randn(2, 3, 4, 5), torch.rand(shape)
    assert torch.equal(apply_gate(x, gate, impl="reference"), x * gate)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1), (2, 4, 1, 1), (3, 3, 1, 1), (2, 3, 4, 1, 1)])
def test_a_gate_that_does_not_fit_is_refused(shape):
    with pytest.raises(ShapeError, match=r"apply_gate: gate has shape .* and x \(2, 3, 4, 5\)"):
        apply_gate(torch.zeros(2, 3, 4, 5), torch.ones(shape))


def test_a_gate_never_enlarges_the_features():
    with pytest.raises(ShapeError, match="each of x's size or of size 1"):
        apply_gate(torch.zeros(1, 3, 1, 1), torch.ones(1, 1, 4, 4))


def test_an_unavailable_implementation_is_refused():
    with pytest.raises(OptionError, match="apply_gate: impl='gpu' is not available here"):
        apply_gate(torch.zeros(1, 2, 3), torch.ones(1, 2, 1), impl="gpu")
