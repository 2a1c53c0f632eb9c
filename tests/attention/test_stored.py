import torch

from regard.attention.stored import as_map


def test_a_vector_becomes_a_map_and_a_vector_again():
    ours = torch.arange(3.0)
    theirs = as_map("scale").give(ours)
    assert theirs.shape == (1, 3, 1, 1)
    assert torch.equal(as_map("scale").take(theirs, ours), ours)
