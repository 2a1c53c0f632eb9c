import numpy as np
import pytest
import torch

from regard.attention.temporal.location_aware import LocationAware
from regard.core import OptionError, ShapeError
from tests.attention.drawn import arrays, assert_equal, count, drawn, names
from tests.attention.formulas import sigmoid
from tests.attention.temporal.alignments import sequences, shares

OPTIONS = {"hidden_size": 6, "filters": 3, "kernel_size": 5}


def formula(query, keys, values, mask, p, *, history="last", first="first", normaliser="softmax", sharpness=1.0):
    """Equations 8 and 9 of the paper, step by step and key by key."""
    filters = p["filters.weight"]
    reach = filters.shape[2] // 2
    weights = np.zeros((*query.shape[:2], keys.shape[1]))
    for b in range(query.shape[0]):
        length = int(mask[b].sum())
        begin = {"first": np.eye(1, length)[0], "uniform": np.ones(length) / max(length, 1), "zero": np.zeros(length)}
        last = total = begin[first]
        for t in range(query.shape[1]):
            seen = {"last": [last], "sum": [total], "both": [last, total]}[history]
            scores = {}
            for j in range(length):
                f = np.zeros(len(filters))
                for tap in range(-reach, reach + 1):
                    if 0 <= j + tap < length:
                        f += sum(filters[:, n, reach + tap] * row[j + tap] for n, row in enumerate(seen))
                hidden = p["query.weight"] @ query[b, t] + p["query.bias"] + p["key.weight"] @ keys[b, j]
                scores[j] = sharpness * (p["score.weight"] @ np.tanh(hidden + p["location.weight"] @ f)).item()
            if normaliser == "sigmoid":
                smooth = {j: sigmoid(score) for j, score in scores.items()}
                found = {j: s / sum(smooth.values()) for j, s in smooth.items()}
            else:
                found = shares(scores)
            last = np.array([found[j] for j in range(length)])
            total = total + last
            weights[b, t, :length] = last
    return weights, weights @ np.where(mask[..., None], values, 0)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"history": "sum", "first": "uniform"},
        {"history": "both", "first": "zero"},
        {"first": "uniform", "normaliser": "sigmoid", "sharpness": 2.0},
    ],
)
def test_it_is_the_papers_formula(options):
    module, given = drawn(LocationAware(3, 4, **OPTIONS, **options)), sequences()
    query, keys, values, mask = given
    context, weights, state = module(query, keys, values, mask=mask)
    wanted = formula(*(tensor.numpy() for tensor in given), arrays(module), **options)
    assert_equal(weights, wanted[0])
    assert_equal(context, wanted[1])
    assert state.shape == ((3, 2, 7) if options.get("history") == "both" else (3, 7))


def test_where_it_looked_matters():
    module, (query, keys, _, mask) = drawn(LocationAware(3, 4, **OPTIONS)), sequences()
    memory = module.remember(keys, mask=mask)
    first, other = (torch.nn.functional.one_hot(torch.tensor([at] * 3), 7).double() for at in (0, 2))
    assert torch.equal(module(query[:, 0], memory).weights, module(query[:, 0], memory, state=first).weights)
    assert not torch.allclose(module(query[0:, 0], memory, state=other).weights[0], first[0])


def test_replaced_weights_are_what_the_next_step_sees():
    module, (query, keys, _, _) = drawn(LocationAware(3, 4, **OPTIONS)), sequences()
    module.alignment.replace = torch.zeros_like
    assert not module(query[:, 0], keys).state.any()


def test_counts_by_hand():
    assert count(LocationAware(256, 512)) == 256 * 256 + 256 + 256 * 512 + 256 * 10 + 10 * 201 + 256
    assert count(LocationAware(3, 4, **OPTIONS, history="both")) == 18 + 6 + 24 + 18 + 2 * 3 * 5 + 6
    assert LocationAware.count(3, 4, **OPTIONS, history="both") == 102
    assert names(LocationAware(3, 4)) == [
        *("query.weight", "query.bias", "key.weight", "location.weight", "filters.weight", "score.weight")
    ]


def test_a_wrong_option_is_said():
    with pytest.raises(OptionError, match="location_aware: kernel_size=4 is not allowed; it must be odd"):
        LocationAware(3, 4, kernel_size=4)
    with pytest.raises(OptionError, match="location_aware: sharpness=0 is not allowed; it must be a number above 0"):
        LocationAware(3, 4, sharpness=0)


def test_a_wrong_state_is_said():
    module, (query, keys, _, _) = LocationAware(3, 4, history="both").double(), sequences()
    with pytest.raises(ShapeError, match=r"location_aware: state has shape \(3, 7\).* floating point \(3, 2, 7\)"):
        module(query, keys, state=torch.zeros(3, 7))
