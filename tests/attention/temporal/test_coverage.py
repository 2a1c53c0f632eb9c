import numpy as np
import torch

from regard.attention.temporal.coverage import Coverage
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.temporal.alignments import sequences, shares


def formula(query, keys, values, mask, p):
    """Equations 10 to 12 of the paper: weights, contexts and the loss of each step."""
    weights, losses = np.zeros((*query.shape[:2], keys.shape[1])), np.zeros(query.shape[:2])
    for b in range(query.shape[0]):
        covered = np.zeros(keys.shape[1])
        for t in range(query.shape[1]):
            scores = {}
            for j in range(int(mask[b].sum())):
                hidden = p["key.weight"] @ keys[b, j] + p["query.weight"] @ query[b, t] + p["query.bias"]
                hidden += p["covered.weight"][:, 0] * covered[j]
                scores[j] = (p["score.weight"] @ np.tanh(hidden)).item()
            for j, share in shares(scores).items():
                weights[b, t, j] = share
            losses[b, t] = sum(min(a, c) for a, c in zip(weights[b, t], covered, strict=True))
            covered += weights[b, t]
    return weights, weights @ np.where(mask[..., None], values, 0), losses


def test_it_is_the_papers_formula():
    module, given = drawn(Coverage(3, 4, hidden_size=6)), sequences()
    query, keys, values, mask = given
    context, weights, state = module(query, keys, values, mask=mask)
    wanted = formula(*(tensor.numpy() for tensor in given), arrays(module))
    assert_equal(weights, wanted[0])
    assert_equal(context, wanted[1])
    assert_equal(state, wanted[0].sum(1))
    assert_equal(module.penalty(weights), wanted[2])


def test_the_penalty_of_steps_is_that_of_all():
    weights, covered, steps = features(2, 4, 6).softmax(-1), torch.zeros(2, 6, dtype=torch.float64), []
    for step in range(4):
        steps.append(Coverage.penalty(weights[:, step], covered))
        covered = covered + weights[:, step]
    torch.testing.assert_close(torch.stack(steps, 1), Coverage.penalty(weights), rtol=1e-12, atol=1e-12)
    assert not Coverage.penalty(weights)[:, 0].any()


def test_counts_by_hand():
    assert count(Coverage(256, 512)) == 256 * 512 + 256 * 256 + 256 + 256 + 256
    assert Coverage.count(3, 4, hidden_size=6) == count(Coverage(3, 4, hidden_size=6))
    assert names(Coverage(3, 4)) == ["key.weight", "query.weight", "query.bias", "covered.weight", "score.weight"]
