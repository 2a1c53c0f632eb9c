import math

import numpy as np
import pytest
import torch
from timm.layers.grn import GlobalResponseNorm

from regard.attention.channel.grn import GRN
from regard.attention.exchange import export_weights, import_weights
from regard.core.errors import OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.twins import assert_twins


def formula(x, p, e=1e-6):
    """Equations 1 to 3 of the paper and the sum of its algorithm 1."""
    y = np.empty_like(x)
    for b in range(x.shape[0]):
        sizes = [math.sqrt((channel**2).sum()) for channel in x[b]]
        for c, size in enumerate(sizes):
            y[b, c] = x[b, c] + p["gamma"][c] * x[b, c] * size / (np.mean(sizes) + e) + p["beta"][c]
    return y


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1), (2, 1, 4, 4)])
@pytest.mark.parametrize("epsilon", [1e-6, 0.5])
def test_it_is_the_papers_formula(shape, epsilon):
    module, x = drawn(GRN(shape[1], epsilon=epsilon)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), epsilon))


def test_a_case_computed_by_hand():
    module = GRN(2, epsilon=1e-12).double()
    with torch.no_grad():
        module.gamma.copy_(torch.tensor([2.0, 4.0]))
        module.beta.copy_(torch.tensor([0.0, 1.0]))
    # The sizes are 5 and 15, their mean 10, so the map is 1/2 and 3/2.
    y = module(torch.tensor([[[3.0, 4.0], [15.0, 0.0]]], dtype=torch.float64))
    assert y.flatten().tolist() == pytest.approx([6.0, 8.0, 106.0, 1.0])


def test_timm_agrees():
    assert_twins(GRN(6), GlobalResponseNorm(6, channels_last=False), "timm", features(2, 6, 5, 3))


def test_the_authors_weights_round_trip():
    module, other, x = drawn(GRN(6)), GRN(6).double(), features(2, 6, 5, 3)
    state = export_weights(module, "official")
    assert {name: tuple(values.shape) for name, values in state.items()} == dict.fromkeys(
        ("gamma", "beta"), (1, 1, 1, 6)
    )
    import_weights(other, state, "official")
    assert torch.equal(other(x), module(x))


def test_it_starts_as_the_identity_as_published():
    x = torch.randn(2, 8, 5, 3)
    assert torch.equal(GRN(8)(x), x)


def test_the_map_is_one_for_equal_channels():
    module, seen = GRN(4), []
    module.response.sink = seen.append
    module(torch.tensor([1.0, -1.0]).expand(2, 4, 3, 2))
    torch.testing.assert_close(seen[0], torch.ones(2, 4, 1, 1))


def test_counts_and_order():
    assert count(GRN(64)) == 128
    assert names(GRN(8)) == ["gamma", "beta"]


def test_a_wrong_option_is_said():
    with pytest.raises(OptionError, match="grn: epsilon=-1 is not allowed; it must be a number above 0"):
        GRN(8, epsilon=-1)
