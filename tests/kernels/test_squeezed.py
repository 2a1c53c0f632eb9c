import copy

import pytest
import torch

from regard.kernels import Squeezed, SqueezedBranches, apply_gate, squeeze_branches, squeeze_positions


def test_it_iterates_over_its_statistics_in_order():
    x = torch.randn(2, 3, 5, 4)
    squeezed = squeeze_positions(x, "max", "mean")
    peak, mean = squeezed
    assert isinstance(squeezed, Squeezed)
    assert (len(squeezed), squeezed.ndim) == (2, 4)
    assert squeezed[1] is mean
    assert torch.equal(peak, x.amax((2, 3)))
    assert len(copy.copy(squeezed)) == 2


def test_the_gate_takes_it_instead_of_features():
    x, gate = torch.randn(2, 3, 5), torch.rand(2, 3, 1)
    assert torch.equal(apply_gate(squeeze_positions(x, "mean"), gate), apply_gate(x, gate))


def test_the_features_are_not_public():
    names = [name for name in dir(squeeze_positions(torch.randn(1, 1, 1))) if not name.startswith("_")]
    assert names == ["ndim"]


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_it_passes_through_a_compiled_function(backend):
    def gate_by_the_mean(x):
        squeezed = squeeze_positions(x, "mean")
        (mean,) = squeezed
        return apply_gate(squeezed, mean.sigmoid().unsqueeze(2))

    x = torch.randn(2, 3, 5)
    assert torch.equal(torch.compile(gate_by_the_mean, backend=backend, fullgraph=True)(x), gate_by_the_mean(x))


def test_of_branches_only_the_mean_is_public():
    squeezed = squeeze_branches((torch.randn(2, 3, 5), torch.randn(2, 3, 5)))
    assert isinstance(squeezed, SqueezedBranches)
    assert [name for name in dir(squeezed) if not name.startswith("_")] == ["mean"]
    assert squeezed.mean.shape == (2, 3)
