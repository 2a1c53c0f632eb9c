import numpy as np
import pytest
import torch

from regard.attention.attending import attend
from regard.core import Tap
from tests.attention.drawn import assert_equal, features
from tests.attention.formulas import softmax


def formula(q, k, v, scale, bias):
    """Each query's weighted mean of the values, in a loop over pictures, heads and queries."""
    y = np.zeros((*q.shape[:3], v.shape[3]))
    for b, n, i in np.ndindex(*q.shape[:3]):
        logits = np.array([scale * (q[b, n, i] @ key) for key in k[b, n]]) + bias[n, i]
        y[b, n, i] = softmax(logits, 0) @ v[b, n]
    return y


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("scale", [None, 0.3, 1.0])
@pytest.mark.parametrize("biased", [False, True])
def test_it_is_the_formula_whether_or_not_anyone_looks(watched, scale, biased):
    q, k, v = features(2, 3, 6, 4), features(2, 3, 5, 4, seed=2), features(2, 3, 5, 7, seed=3)
    bias = features(3, 6, 5, seed=4) if biased else None
    tap, seen = Tap("query", neutral="uniform"), []
    tap.sink = seen.append if watched else None
    y = attend(tap, q, k, v, shape=(2, 3, 5, 1), scale=scale, bias=bias)
    offsets = np.zeros((3, 6, 5)) if bias is None else bias.numpy()
    assert_equal(y, formula(q.numpy(), k.numpy(), v.numpy(), 0.5 if scale is None else scale, offsets))
    assert [map.shape for map in seen] == ([(2, 3, 2, 3, 5, 1)] if watched else [])


def test_the_map_sums_to_one_in_float32_and_is_what_is_applied():
    q, k, v = (features(1, 2, 4, 3, seed=s).half() for s in (1, 2, 3))
    tap, seen = Tap("query", neutral="uniform"), []
    tap.sink = seen.append
    attend(tap, q, k, v, shape=(4, 4))
    assert seen[0].dtype == torch.float32
    torch.testing.assert_close(seen[0].sum(-1), torch.ones(1, 2, 4))
    tap.replace = tap.nothing
    torch.testing.assert_close(attend(tap, q, k, v, shape=(4, 4)), v.mean(2, keepdim=True).expand(1, 2, 4, 3))


def test_large_features_in_float16_stay_finite():
    x = (200 + 300 * torch.randn(1, 1, 64, 32)).half()
    for sink in (None, lambda map: None):
        tap = Tap("query", neutral="uniform")
        tap.sink = sink
        assert attend(tap, x, x, x, shape=(64, 64)).isfinite().all()
