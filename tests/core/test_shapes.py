import pytest
import torch

from regard.core import ShapeError
from regard.core.shapes import expect_features, expect_keys, expect_query

KEYS = torch.zeros(2, 5, 3)


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (torch.zeros(2, 4, 3, dtype=torch.int64), r"se: x has dtype torch.int64; features must be floating point"),
        (torch.zeros(2, 4), r"se: x has shape \(2, 4\); it must be .* with 1 or 2 position axes"),
        (torch.zeros(2, 5, 3), r"so 5 channels, but the module was built for 4: build it with channels=5"),
        (torch.zeros(2, 4, 3, 0), r"shape \(2, 4, 3, 0\), so no positions; every size must be at least 1"),
    ],
)
def test_wrong_features_are_said(x, says):
    with pytest.raises(ShapeError, match=says):
        expect_features("se", x, 4, (1, 2))


def test_masks_of_keys_and_of_queries_fit():
    expect_keys("additive", KEYS, 3, torch.zeros(2, 5, 7), torch.ones(2, 5, dtype=torch.bool))
    expect_keys("additive", KEYS, 3, None, torch.ones(2, 6, 5, dtype=torch.bool))
    expect_query("additive", torch.zeros(2, 4), 4, KEYS)
    expect_query("additive", torch.zeros(2, 6, 4), 4, KEYS)


@pytest.mark.parametrize(
    ("keys", "values", "mask", "says"),
    [
        (torch.zeros(2, 5), None, None, r"keys have shape \(2, 5\) .* \(b, k, 3\), k keys of 3 numbers"),
        (torch.zeros(2, 5, 4), None, None, r"keys have shape \(2, 5, 4\) .* \(b, k, 3\)"),
        (KEYS.int(), None, None, "keys have .* dtype torch.int32; they must be floating point"),
        (KEYS, torch.zeros(2, 4, 3), None, r"values have shape \(2, 4, 3\); .* must be \(2, 5, dv\), one for each key"),
        (KEYS, None, torch.ones(2, 5), "mask has .* dtype torch.float32; .* it must be bool"),
        (KEYS, None, torch.ones(2, 4, dtype=torch.bool), r"mask has shape \(2, 4\) .* \(2, 5\) or \(2, q, 5\)"),
    ],
)
def test_wrong_keys_are_said(keys, values, mask, says):
    with pytest.raises(ShapeError, match=says):
        expect_keys("additive", keys, 3, values, mask)


@pytest.mark.parametrize("shape", [(2, 3), (3, 4), (2, 1, 1, 4), (4,)])
def test_wrong_queries_are_said(shape):
    says = r"additive: query has shape .* it must be floating point \(2, 4\) or \(2, q, 4\)"
    for query in (torch.zeros(shape), torch.zeros(2, 4).int()):
        with pytest.raises(ShapeError, match=says):
            expect_query("additive", query, 4, KEYS)
