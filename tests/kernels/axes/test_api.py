import pytest
import torch

from regard.core import OptionError, ShapeError
from regard.kernels import apply_axis_gates, squeeze_axes


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 6), (2, 3, 4, 5, 2)])
def test_the_sequence_joins_the_means(shape):
    squeezed = squeeze_axes(torch.randn(shape))
    means = list(squeezed)
    assert [m.shape[2] for m in means] == list(shape[2:])
    assert torch.equal(squeezed.joined, torch.cat(means, 2))
    assert all(torch.equal(*pair) for pair in zip(squeezed.split(squeezed.joined), means, strict=True))


def test_features_without_positions_are_refused():
    with pytest.raises(ShapeError, match=r"squeeze_axes: x has shape \(2, 3\)"):
        squeeze_axes(torch.zeros(2, 3))


@pytest.mark.parametrize("shape", [(2, 3, 4, 1), (2, 3, 1, 1), (1, 3, 4, 1), (2, 3, 4, 5)])
def test_a_gate_that_fits_is_applied(shape):
    x, gate, columns = torch.randn(2, 3, 4, 5), torch.rand(shape), torch.rand(2, 3, 1, 5)
    torch.testing.assert_close(apply_axis_gates(squeeze_axes(x), (gate, columns)), x * gate * columns)


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 5, 1), (2, 4, 4, 1), (3, 3, 4, 1)])
def test_a_gate_that_does_not_fit_is_refused(shape):
    with pytest.raises(ShapeError, match=r"apply_axis_gates: gate 1 has shape .* and x \(2, 3, 4, 5\)"):
        apply_axis_gates(torch.zeros(2, 3, 4, 5), (torch.ones(2, 3, 1, 5), torch.ones(shape)))


def test_an_unavailable_implementation_is_refused():
    for compute in (squeeze_axes, lambda x, impl: apply_axis_gates(x, (x,), impl=impl)):
        with pytest.raises(OptionError, match="impl='gpu' is not available here"):
            compute(torch.zeros(1, 2, 3, 3), impl="gpu")
