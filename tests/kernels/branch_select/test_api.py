import pytest
import torch

from regard.core import OptionError, ShapeError
from regard.kernels import select_branches

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
