import pytest
import torch

from regard.core import OptionError, ShapeError
from regard.kernels import select_branches

BRANCHES = tuple(torch.randn(2, 3, 4, 5) for _ in range(2))


def test_a_map_that_chooses_one_branch_gives_it():
    map = torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1, 1).expand(2, 2, 3, 1, 1)
    assert torch.equal(select_branches(BRANCHES, map, impl="reference"), BRANCHES[1])


@pytest.mark.parametrize("shape", [(2, 3, 3, 1, 1), (2, 2, 3, 1), (2, 3, 1, 1)])
def test_a_map_that_does_not_fit_is_refused(shape):
    with pytest.raises(ShapeError, match=r"map has shape .*; for 2 branches of shape \(2, 3, 4, 5\)"):
        select_branches(BRANCHES, torch.ones(shape))


def test_branches_that_differ_or_lack_are_refused():
    with pytest.raises(ShapeError, match=r"branches have shapes \(2, 3, 4, 5\), \(2, 3, 4, 4\)"):
        select_branches((BRANCHES[0], BRANCHES[1][..., :4]), torch.ones(2, 2, 3, 1, 1))
    with pytest.raises(ShapeError, match="branches have shapes none; there must be at least one"):
        select_branches((), torch.ones(2, 0, 3, 1, 1))


def test_an_implementation_that_is_not_there_is_said():
    with pytest.raises(OptionError, match="select_branches: impl='triton' cannot be had here"):
        select_branches(BRANCHES, torch.ones(2, 2, 3, 1, 1), impl="triton")
