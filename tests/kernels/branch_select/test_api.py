import pytest
import torch

from regard.core import OptionError, ShapeError
from regard.kernels import select_branches, squeeze_branches

BRANCHES = tuple(torch.randn(2, 3, 4, 5) for _ in range(2))


def test_one_branch_can_be_chosen():
    weights = torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1, 1).expand(2, 2, 3, 1, 1)
    assert torch.equal(select_branches(BRANCHES, weights, impl="reference"), BRANCHES[1])


@pytest.mark.parametrize("shape", [(2, 3, 3, 1, 1), (2, 2, 3, 1), (2, 3, 1, 1)])
def test_weights_that_do_not_fit_are_refused(shape):
    with pytest.raises(ShapeError, match=r"weights have shape .*; for 2 branches of shape \(2, 3, 4, 5\)"):
        select_branches(BRANCHES, torch.ones(shape))


def test_branches_that_differ_or_are_missing_are_refused():
    with pytest.raises(ShapeError, match=r"branches have shapes \(2, 3, 4, 5\), \(2, 3, 4, 4\)"):
        select_branches((BRANCHES[0], BRANCHES[1][..., :4]), torch.ones(2, 2, 3, 1, 1))
    with pytest.raises(ShapeError, match="branches have shapes none; there must be at least one"):
        select_branches((), torch.ones(2, 0, 3, 1, 1))


def test_an_unavailable_implementation_is_refused():
    with pytest.raises(OptionError, match="select_branches: impl='triton' is not available here"):
        select_branches(BRANCHES, torch.ones(2, 2, 3, 1, 1), impl="triton")


@pytest.mark.parametrize("impl", ["auto", "reference"])
def test_the_mean_is_that_of_the_sum(impl):
    expected = (BRANCHES[0] + BRANCHES[1]).mean((2, 3))
    for squeezed in (squeeze_branches(BRANCHES, impl=impl), squeeze_branches(torch.cat(BRANCHES, 1), 2, impl=impl)):
        torch.testing.assert_close(squeezed.mean, expected)


def test_parts_of_one_tensor_are_selected_as_branches():
    weights, whole = torch.rand(2, 2, 3, 1, 1), torch.cat(BRANCHES, 1)
    expected = BRANCHES[0] * weights[:, 0] + BRANCHES[1] * weights[:, 1]
    for branches in (BRANCHES, whole, squeeze_branches(BRANCHES), squeeze_branches(whole, 2)):
        torch.testing.assert_close(select_branches(branches, weights), expected)


def test_branches_that_cannot_be_squeezed_are_refused():
    with pytest.raises(ShapeError, match="squeeze_branches: 4 branches are asked for of a tensor of shape"):
        squeeze_branches(BRANCHES[0], 4)
    with pytest.raises(ShapeError, match="squeeze_branches: branches have shapes none"):
        squeeze_branches(())
    with pytest.raises(ShapeError, match=r"squeeze_branches: branches have shape \(2, 3\); it must be \(b, c, ...\)"):
        squeeze_branches(torch.ones(2, 3))
    with pytest.raises(ShapeError, match=r"weights have shape .*; for 2 branches of shape \(2, 3, 4, 5\)"):
        select_branches(squeeze_branches(torch.cat(BRANCHES, 1), 2), torch.ones(2, 3, 3, 1, 1))


@pytest.mark.graph
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_it_passes_through_a_compiled_function(backend):
    def mix(x):
        squeezed = squeeze_branches(x, 2)
        return select_branches(squeezed, squeezed.mean.sigmoid().view(2, 1, 3, 1).expand(2, 2, 3, 1))

    x = torch.randn(2, 6, 5)
    torch.testing.assert_close(torch.compile(mix, backend=backend, fullgraph=True)(x), mix(x))
