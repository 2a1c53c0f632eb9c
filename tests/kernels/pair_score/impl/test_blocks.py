import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from regard.kernels.pair_score.impl import blocks, reference
from tests.attention.drawn import features


@pytest.mark.parametrize("most", [1, 60, 200, 10**6])
def test_every_pair_is_scored_once(most):
    seen = torch.zeros(3, 5, 7)
    for block in blocks.blocks(3, 5, 7, 4, most):
        seen[block] += 1
        assert seen[block].numel() * 4 <= max(most, 4)
    assert (seen == 1).all()


@pytest.mark.parametrize("most", [30, 100, 10**6])
def test_scores_and_gradients_are_those_of_the_oracle(most, monkeypatch):
    monkeypatch.setattr(blocks, "ON_CPU", most)
    given = [features(3, 5, 4, seed=1), features(3, 7, 4, seed=2), features(4, seed=3)]
    upstream, found = features(3, 5, 7, seed=4), []
    for way in (blocks, reference):
        leaves = [tensor.clone().requires_grad_() for tensor in given]
        scores = way.score_pairs(*leaves)
        scores.backward(upstream)
        found.append([scores, *(leaf.grad for leaf in leaves)])
    for ours, wanted in zip(*found, strict=True):
        torch.testing.assert_close(ours, wanted, rtol=1e-12, atol=1e-12)


def test_it_is_an_operator_that_compilers_take_whole():
    given = [features(2, 3, 4).requires_grad_(), features(2, 5, 4), features(4).requires_grad_()]
    torch.library.opcheck(torch.ops.regard.score_pairs.default, given)


def test_training_makes_no_tensor_of_all_pairs():
    """A query and a key for each of 1,024 steps, 64 hidden: all pairs are 256 MiB."""
    query, keys, weight = (torch.randn(*shape).requires_grad_() for shape in ((1, 1024, 64), (1, 1024, 64), (64,)))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        blocks.score_pairs(query, keys, weight).sum().backward()
    held = peak = 0
    for event in profiled.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    assert peak < 24 * 2**20
