import math

import numpy as np
import pytest
import torch

from regard.attention.temporal.multiplicative import Multiplicative
from regard.core import OptionError, ShapeError
from tests.attention.drawn import arrays, assert_equal, count, drawn, names
from tests.attention.temporal.alignments import LENGTHS, aligned_by, sequences, shares


def score_of(form, p):
    """Equation 8 of the paper."""

    def score(h, s):
        if form == "dot":
            return h @ s
        if form == "general":
            return h @ p["key.weight"] @ s
        together = np.concatenate([p["query.weight"], p["key.weight"]], 1)
        return (p["score.weight"] @ np.tanh(together @ np.concatenate([h, s]))).item()

    return score


def windowed(window, query, keys, values, mask, p, *, half_width, gaussian):
    """Section 3.2, query by query, with the predicted position as the authors' code has it."""
    weights, score = np.zeros((*query.shape[:2], keys.shape[1])), score_of("general", p)
    for b in range(query.shape[0]):
        length = int(mask[b].sum())
        for t in range(query.shape[1]):
            place = t
            if window == "local_p" and length:
                said = p["position.weight"] @ np.tanh(p["predict.weight"] @ query[b, t])
                place = (length - 1) / (1 + math.exp(-said.item()))
            near = range(max(0, math.floor(place) - half_width), min(length, math.floor(place) + half_width + 1))
            bell = {j: math.exp(-((j - place) ** 2) / (2 * (half_width / 2) ** 2)) for j in near}
            scores = {j: score(query[b, t], keys[b, j]) * (bell[j] if gaussian == "scores" else 1) for j in near}
            for j, share in shares(scores).items():
                weights[b, t, j] = share * (bell[j] if window == "local_p" and gaussian == "weights" else 1)
    return weights, weights @ np.where(mask[..., None], values, 0)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("form", ["dot", "general", "concat"])
def test_it_is_the_papers_formula(form, need_weights):
    module, given = drawn(Multiplicative(4, 4, score=form)), sequences(query_size=4)
    query, keys, values, mask = given
    context, weights, _ = module(query, keys, values, mask=mask, need_weights=need_weights)
    wanted = aligned_by(score_of(form, arrays(module)), *(tensor.numpy() for tensor in given))
    assert_equal(context, wanted[1])
    assert weights is None if not need_weights else assert_equal(weights, wanted[0]) is None


@pytest.mark.parametrize("half_width", [1, 2, 10])
@pytest.mark.parametrize(
    ("window", "gaussian"), [("local_m", "weights"), ("local_p", "weights"), ("local_p", "scores")]
)
def test_a_window_is_the_papers_formula(window, gaussian, half_width):
    module = drawn(Multiplicative(3, 4, window=window, half_width=half_width, gaussian=gaussian))
    given = sequences(queries=9)
    query, keys, values, mask = given
    context, weights, _ = module(query, keys, values, mask=mask)
    arguments = (tensor.numpy() for tensor in given)
    wanted = windowed(window, *arguments, arrays(module), half_width=half_width, gaussian=gaussian)
    assert_equal(weights, wanted[0])
    assert_equal(context, wanted[1])
    assert_equal(module(query, keys, values, mask=mask, need_weights=False).context, wanted[1])


def test_the_gaussian_is_not_renormalised():
    module, (query, keys, _, _) = drawn(Multiplicative(3, 4, window="local_p", half_width=2)), sequences()
    assert (module(query, keys).weights.sum(-1) < 1).all()
    assert not module.alignment.shares
    renormalised = drawn(Multiplicative(3, 4, window="local_p", half_width=2, gaussian="scores"))
    torch.testing.assert_close(renormalised(query, keys).weights.sum(-1), torch.ones(3, 5, dtype=torch.float64))


def test_the_predicted_position_is_learned_through_the_gaussian():
    module, (query, keys, values, mask) = drawn(Multiplicative(3, 4, window="local_p")), sequences()
    module(query, keys, values, mask=mask).context.square().sum().backward()
    assert module.position.weight.grad.abs().min() > 0


def test_a_monotonic_window_moves_with_its_state():
    module, (query, keys, values, mask) = drawn(Multiplicative(3, 4, window="local_m", half_width=1)), sequences()
    memory, state, contexts = module.remember(keys, values, mask), None, []
    assert module.has_state
    assert not Multiplicative(3, 4).has_state
    for step in range(5):
        context, _, state = module(query[:, step], memory, state=state)
        contexts.append(context)
    together = module(query, memory)
    assert state.tolist() == together.state.tolist() == [5, 5, 5]
    torch.testing.assert_close(torch.stack(contexts, 1), together.context, rtol=1e-12, atol=1e-12)


def test_padding_in_front_moves_no_window():
    given = sequences()
    for window in ("local_m", "local_p"):
        module = drawn(Multiplicative(3, 4, window=window, half_width=2))
        query, keys, values, mask = given
        behind = module(query, keys, values, mask=mask)
        rolled = [torch.stack([t[b].roll(7 - n, 0) for b, n in enumerate(LENGTHS)]) for t in (keys, values, mask)]
        before = module(query, rolled[0], rolled[1], mask=rolled[2])
        torch.testing.assert_close(before.context, behind.context, rtol=1e-12, atol=1e-12)


def test_a_watched_tap_always_gets_weights():
    module, (query, keys, values, mask), seen = drawn(Multiplicative(3, 4)), sequences(), []
    module.alignment.sink = seen.append
    watched = module(query, keys, values, mask=mask, need_weights=False)
    assert watched.weights is None
    assert seen[0].shape == (3, 5, 7)
    module.alignment.sink = None
    fused = module(query, keys, values, mask=mask, need_weights=False)
    torch.testing.assert_close(fused.context, watched.context, rtol=1e-12, atol=1e-12)


def test_counts_by_hand():
    assert count(Multiplicative(5, 5, score="dot")) == 0
    assert count(Multiplicative(3, 4)) == 12
    assert count(Multiplicative(3, 4, score="concat", hidden_size=6)) == 6 * 3 + 6 * 4 + 6
    assert count(Multiplicative(3, 4, window="local_p", hidden_size=6)) == 12 + 6 * 3 + 6
    assert names(Multiplicative(3, 4, window="local_p")) == ["key.weight", "predict.weight", "position.weight"]
    for options in ({"score": "concat"}, {"window": "local_p", "hidden_size": 6}, {"window": "local_m"}):
        assert count(Multiplicative(3, 4, **options)) == Multiplicative.count(3, 4, **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"score": "dot"}, "score='dot' is not allowed with query_size=3 and key_size=4; it needs one size for both"),
        ({"score": "cosine"}, "score='cosine' is not allowed; choose one of 'dot', 'general', 'concat'"),
        ({"window": "local"}, "window='local' is not allowed; choose one of 'global', 'local_m', 'local_p'"),
        ({"half_width": 0}, "half_width=0 is not allowed; it must be an integer of at least 1"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=f"multiplicative: {says}"):
        Multiplicative(3, 4, **options)


def test_a_wrong_state_is_said():
    module, (query, keys, _, _) = Multiplicative(3, 4, window="local_m").double(), sequences()
    with pytest.raises(
        ShapeError, match=r"multiplicative: state has shape \(3, 7\).* give what the last step returned"
    ):
        module(query, keys, state=torch.zeros(3, 7))
