import pytest
import torch

from regard.attention.layouts.ways import vector, with_axis


@pytest.mark.parametrize(("shape", "there"), [((1, -1, 1, 1), (1, 3, 1, 1)), ((-1, 1), (3, 1)), ((-1,), (3,))])
def test_a_vector_goes_there_and_back(shape, there):
    ours, stored = torch.arange(3.0), vector("scale", *shape)
    theirs = stored.give(ours)
    assert theirs.shape == there
    assert torch.equal(stored.take(theirs, ours), ours)


@pytest.mark.parametrize("axis", [0, 2])
def test_a_new_axis_goes_there_and_back(axis):
    ours, stored = torch.randn(4, 1, 3), with_axis("weight", axis)
    theirs = stored.give(ours)
    assert theirs.shape[axis] == 1
    assert torch.equal(stored.take(theirs, ours), ours)


def test_parts_with_a_new_axis_become_one_tensor():
    ours = torch.randn(4, 3)
    stored = [with_axis("weight", 0, part=(i, 2)) for i in (0, 1)]
    theirs = torch.cat([stored[0].give(ours), stored[1].give(2 * ours)])
    assert torch.equal(stored[1].take(theirs, ours), 2 * ours)
