import math

import numpy as np
import pytest
import torch

from regard.attention.temporal.additive import Additive
from regard.core import OptionError, ShapeError
from tests.attention.drawn import arrays, assert_equal, count, drawn, names
from tests.attention.temporal.alignments import aligned_by, sequences


def formula(query, keys, values, mask, p):
    """The score of section 3.1 and appendix A.1.2 of the paper, key by key."""
    bias = p.get("query.bias", 0)

    def score(s, h):
        return (p["score.weight"] @ np.tanh(p["query.weight"] @ s + bias + p["key.weight"] @ h)).item()

    return aligned_by(score, query, keys, values, mask)


@pytest.mark.parametrize("bias", [False, True])
def test_it_is_the_papers_formula(bias):
    module, given = drawn(Additive(3, 4, hidden_size=6, bias=bias)), sequences()
    query, keys, values, mask = given
    context, weights, state = module(query, keys, values, mask=mask)
    wanted = formula(*(tensor.numpy() for tensor in given), arrays(module))
    assert_equal(weights, wanted[0])
    assert_equal(context, wanted[1])
    assert state is None
    assert not module.has_state


def test_a_case_computed_by_hand():
    module = Additive(1, 1, hidden_size=1)
    with torch.no_grad():
        module.query.weight.fill_(1.0)
        module.key.weight.fill_(1.0)
        module.score.weight.fill_(2 * math.log(3))
    # The query is 0; tanh of the keys is 1/2 and 0, so the scores are log 3 and 0.
    keys = torch.tensor([[[math.atanh(0.5)], [0.0]]])
    assert module(torch.zeros(1, 1), keys).weights.tolist() == [pytest.approx([0.75, 0.25])]


def test_it_starts_uniform_as_published():
    module, (query, keys, _, mask) = Additive(3, 4).double(), sequences()
    weights = module(query, keys, mask=mask).weights
    assert_equal(weights[1], np.broadcast_to([0.25] * 4 + [0] * 3, (5, 7)))
    assert 0.0005 < Additive(64, 64).query.weight.std().item() < 0.0015
    assert module.score.weight.abs().sum() == 0


def test_a_random_start_tells_keys_apart():
    module, (query, keys, _, _) = Additive(3, 4, start="random").double(), sequences()
    assert module(query, keys).weights.std() > 1e-4


def test_it_can_leave_the_uniform_start():
    module, (query, keys, values, mask) = Additive(3, 4).double(), sequences()
    module(query, keys, values, mask=mask).context.square().sum().backward()
    assert module.score.weight.grad.abs().min() > 0


def test_keys_are_projected_once():
    module, (query, keys, values, mask) = drawn(Additive(3, 4)), sequences()
    memory, calls = module.remember(keys, values, mask), []
    module.key.register_forward_hook(lambda *_: calls.append(1))
    steps = [module(query[:, i], memory) for i in range(5)]
    assert not calls
    together = module(query, keys, values, mask=mask)
    torch.testing.assert_close(torch.stack([s.context for s in steps], 1), together.context, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.stack([s.weights for s in steps], 1), together.weights, rtol=1e-12, atol=1e-12)


def test_counts_by_hand():
    assert count(Additive(1000, 2000)) == 1000 * 1000 + 1000 * 2000 + 1000
    assert count(Additive(3, 4, hidden_size=6, bias=True)) == 6 * 3 + 6 + 6 * 4 + 6
    assert names(Additive(3, 4)) == ["query.weight", "key.weight", "score.weight"]


def test_what_is_given_beside_a_memory_is_said():
    module, (query, keys, values, mask) = Additive(3, 4).double(), sequences()
    memory = module.remember(keys)
    with pytest.raises(ShapeError, match="additive: mask is given beside a memory, which has its own"):
        module(query, memory, mask=mask)
    with pytest.raises(ShapeError, match="additive: values is given beside a memory"):
        module(query, memory, values)


def test_a_wrong_option_is_said():
    with pytest.raises(OptionError, match="additive: hidden_size=0 is not allowed"):
        Additive(3, 4, hidden_size=0)
    with pytest.raises(OptionError, match="additive: start='uniform' is not allowed; choose one of 'paper', 'random'"):
        Additive(3, 4, start="uniform")
