import numpy as np
import pytest
import torch

from regard.attention.temporal.monotonic import Monotonic, accumulate
from regard.core import OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import sigmoid
from tests.attention.temporal.alignments import sequences


def energies(query, keys, p):
    """g w' tanh(W s + V h + b) / |w| + r for every query and key of one sequence."""
    direction = p["score.weight"][0] / np.linalg.norm(p["score.weight"])
    hidden = (query @ p["query.weight"].T + p["query.bias"])[:, None] + (keys @ p["key.weight"].T)[None]
    return p["gain"] * np.tanh(hidden) @ direction + p["offset"]


def expected(query, keys, values, mask, p):
    """The definition: a sum over all places where the last step stopped, and all keys passed since."""
    weights = np.zeros((*query.shape[:2], keys.shape[1]))
    for b in range(query.shape[0]):
        length = int(mask[b].sum())
        stop, last = sigmoid(energies(query[b], keys[b, :length], p)), np.eye(1, length)[0]
        for t in range(query.shape[1]):
            here = [stop[t, j] * sum(last[i] * np.prod(1 - stop[t, i:j]) for i in range(j + 1)) for j in range(length)]
            weights[b, t, :length] = last = np.array(here)
    return weights, weights @ np.where(mask[..., None], values, 0)


def walked(query, keys, values, mask, p):
    """Algorithm 1 of the paper: go along the keys, stop at the first that is good."""
    weights = np.zeros((*query.shape[:2], keys.shape[1]))
    for b in range(query.shape[0]):
        length, place = int(mask[b].sum()), 0
        energy = energies(query[b], keys[b, :length], p)
        for t in range(query.shape[1]):
            while place < length and energy[t, place] <= 0:
                place += 1
            if place < length:
                weights[b, t, place] = 1
    return weights, weights @ np.where(mask[..., None], values, 0)


def test_training_is_the_expectation():
    module, given = drawn(Monotonic(3, 4, hidden_size=6, noise=0.0)).train(), sequences()
    query, keys, values, mask = given
    context, weights, state = module(query, keys, values, mask=mask)
    wanted = expected(*(tensor.numpy() for tensor in given), arrays(module))
    assert_equal(weights, wanted[0])
    assert_equal(context, wanted[1])
    assert torch.equal(state, weights[:, -1])


@pytest.mark.parametrize("seed", range(4))
def test_evaluation_walks_along_the_keys(seed):
    module, given = drawn(Monotonic(3, 4, hidden_size=6), seed), sequences()
    query, keys, values, mask = given
    context, weights, _ = module(query, keys, values, mask=mask)
    wanted = walked(*(tensor.numpy() for tensor in given), arrays(module))
    assert_equal(weights, wanted[0])
    assert_equal(context, wanted[1])


def test_evaluation_can_stay_soft():
    module, (query, keys, _, _) = drawn(Monotonic(3, 4, hard=False)), sequences()
    soft = drawn(Monotonic(3, 4, noise=0.0)).train()
    assert torch.equal(module(query, keys).weights, soft(query, keys).weights)


def test_noise_is_added_in_training_only():
    module, (query, keys, _, _) = drawn(Monotonic(3, 4)), sequences()
    assert torch.equal(module(query, keys).weights, module(query, keys).weights)
    module.train()
    assert not torch.equal(module(query, keys).weights, module(query, keys).weights)


def test_long_sequences_neither_underflow_nor_leak():
    """After 2,000 keys of probability 1/2 cumulative products are 0 in float32; the weight that is left is not."""
    stop = torch.full((1, 2000), 0.5)
    stop[:, :1990] = 1e-3
    passing = torch.cat([torch.zeros(1, 1), 1 - stop[:, :-1]], 1)
    weights = stop * accumulate(passing, torch.eye(1, 2000))
    wanted = 0.5 * (1 - 1e-3) ** 1990
    assert weights[0, 1990].item() == pytest.approx(wanted, rel=1e-4)
    assert weights.sum().item() == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("size", [1, 2, 5, 8, 13])
def test_the_recursion_is_computed_by_doubling(size):
    factors, terms = features(2, size), features(2, size, seed=2)
    wanted, last = [], torch.zeros(2, dtype=torch.float64)
    for j in range(size):
        last = factors[:, j] * last + terms[:, j] if j else terms[:, 0]
        wanted.append(last)
    torch.testing.assert_close(accumulate(factors, terms), torch.stack(wanted, 1), rtol=1e-12, atol=1e-12)


def test_counts_by_hand():
    assert count(Monotonic(256, 512)) == 256 * 256 + 256 + 256 * 512 + 256 + 2
    assert Monotonic.count(3, 4, hidden_size=6) == count(Monotonic(3, 4, hidden_size=6))
    assert names(Monotonic(3, 4)) == ["gain", "offset", "query.weight", "query.bias", "key.weight", "score.weight"]
    module = Monotonic(3, 4, hidden_size=16, offset=-4)
    assert (module.gain.item(), module.offset.item()) == (0.25, -4.0)


def test_a_wrong_option_is_said():
    with pytest.raises(OptionError, match="monotonic: noise=-1 is not allowed; it must be a number of at least 0"):
        Monotonic(3, 4, noise=-1)
    with pytest.raises(OptionError, match="monotonic: offset=inf is not allowed; it must be a finite number"):
        Monotonic(3, 4, offset=float("inf"))
