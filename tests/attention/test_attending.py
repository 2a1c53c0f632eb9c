import numpy as np
import pytest
import torch

from regard.attention.attending import aligned_width, attend, fill
from regard.core import Tap
from tests.attention.drawn import assert_equal, features
from tests.attention.formulas import softmax
from tests.attention.largest import Largest


def formula(q, k, v, scale):
    """Each query's weighted mean of the values, in a loop over images, heads and queries."""
    y = np.zeros((*q.shape[:3], v.shape[3]))
    for b, n, i in np.ndindex(*q.shape[:3]):
        logits = np.array([scale * (q[b, n, i] @ key) for key in k[b, n]])
        y[b, n, i] = softmax(logits, 0) @ v[b, n]
    return y


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("scale", [None, 0.3, 1.0])
def test_it_is_the_formula_watched_or_not(watched, scale):
    q, k, v = features(2, 3, 6, 4), features(2, 3, 5, 4, seed=2), features(2, 3, 5, 7, seed=3)
    tap, seen = Tap("query", shares="source"), []
    tap.sink = seen.append if watched else None
    y = attend(tap, q, k, v, shape=(2, 3, 5, 1), scale=scale)
    assert_equal(y, formula(q.numpy(), k.numpy(), v.numpy(), 0.5 if scale is None else scale))
    assert [values.shape for values in seen] == ([(2, 3, 2, 3, 5, 1)] if watched else [])


def test_the_applied_map_sums_to_one():
    q, k, v = (features(1, 2, 4, 3, seed=s).half() for s in (1, 2, 3))
    tap, seen = Tap("query", shares="source"), []
    tap.sink = seen.append
    attend(tap, q, k, v, shape=(4, 4))
    assert seen[0].dtype == torch.float32
    torch.testing.assert_close(seen[0].sum(-1), torch.ones(1, 2, 4))
    tap.replace = tap.nothing
    torch.testing.assert_close(attend(tap, q, k, v, shape=(4, 4)), v.mean(2, keepdim=True).expand(1, 2, 4, 3))


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize(("width", "other"), [(3, 9), (9, 3), (8, 8), (16, 1)])
def test_widths_may_differ(width, other, watched):
    q, k, v = features(2, 2, 5, width), features(2, 2, 7, width, seed=2), features(2, 2, 7, other, seed=3)
    tap = Tap("query", shares="source")
    tap.sink = (lambda values: None) if watched else None
    shares = softmax(0.7 * np.einsum("bnqd,bnkd->bnqk", q, k), -1)
    expected = np.einsum("bnqk,bnke->bnqe", shares, v)
    assert_equal(attend(tap, q, k, v, shape=(5, 7), scale=0.7), expected)


def test_unequal_widths_need_no_map_of_all_pairs():
    q, v = torch.randn(1, 1, 400, 2, requires_grad=True), torch.randn(1, 1, 400, 16, requires_grad=True)
    with Largest() as largest:
        attend(Tap("query", shares="source"), q, q, v, shape=(400, 400), scale=1.0).sum().backward()
    assert largest.numel < 400 * 400


def test_the_map_is_in_float32_under_autocast():
    q, seen, tap = torch.randn(1, 1, 4, 8), [], Tap("query", shares="source")
    tap.sink = seen.append
    with torch.autocast("cpu", torch.float16):
        attend(tap, q, q, q, shape=(4, 4), scale=1.0)
    assert seen[0].dtype == torch.float32


def test_filling_adds_zeros_behind():
    assert fill(torch.ones(2, 3), 5).tolist() == [[1, 1, 1, 0, 0]] * 2
    assert [aligned_width(n) for n in (1, 8, 9)] == [8, 8, 16]
