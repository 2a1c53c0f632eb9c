import numpy as np
import pytest
import torch

from regard.attention import export_weights, import_weights
from regard.attention.spatial.criss_cross import CrissCross
from regard.core import OptionError, ShapeError, taps
from tests.attention.drawn import arrays, assert_equal, count, drawn, features
from tests.attention.formulas import softmax
from tests.attention.largest import largest_of_a_step


def cross(i, j, height, width):
    """The h + w - 1 positions of the column and the row of (i, j), itself once."""
    return [(a, j) for a in range(height) if a != i] + [(i, b) for b in range(width)]


def one_pass(x, p):
    """Equations 1 and 2 of the paper, in a loop over images and positions."""
    y = np.empty_like(x)
    for b, image in enumerate(x):
        queries, keys, values = (
            np.einsum("oc,chw->ohw", p[f"{name}.weight"], image) + p[f"{name}.bias"][:, None, None]
            for name in ("query", "key", "value")
        )
        for i, j in np.ndindex(*x.shape[2:]):
            indices = cross(i, j, *x.shape[2:])
            shares = softmax(np.array([queries[:, i, j] @ keys[:, a, c] for a, c in indices]), 0)
            gathered = sum(s * values[:, a, c] for s, (a, c) in zip(shares, indices, strict=True))
            y[b, :, i, j] = image[:, i, j] + p["gamma"] * gathered
    return y


@pytest.mark.parametrize("shape", [(2, 6, 4, 3), (1, 6, 1, 1), (1, 6, 1, 7), (1, 6, 5, 1)])
@pytest.mark.parametrize("recurrence", [1, 2, 3])
def test_it_is_the_published_formula(shape, recurrence):
    module, x = drawn(CrissCross(6, reduction=2, recurrence=recurrence)), features(*shape)
    torch.nn.init.constant_(module.gamma, 0.3)
    expected = x.numpy()
    for _ in range(recurrence):
        expected = one_pass(expected, arrays(module))
    assert_equal(module(x), expected, rtol=1e-10)


def test_a_case_computed_by_hand():
    module = CrissCross(1, recurrence=1)
    with torch.no_grad():
        for name, value in (("query", 0.0), ("key", 1.0), ("value", 3.0)):
            getattr(module, name).weight.fill_(value)
            getattr(module, name).bias.zero_()
        module.gamma.fill_(1.0)
    # Without queries the shares are equal: each position adds three times the mean of three, all but the opposite one.
    y = module(torch.tensor([[[[1.0, 2.0], [4.0, 8.0]]]]))
    assert y.flatten().tolist() == pytest.approx([1 + 7, 2 + 11, 4 + 13, 8 + 14])


def test_only_two_passes_reach_every_position():
    for recurrence, reached in ((1, False), (2, True)):
        module, x = drawn(CrissCross(4, recurrence=recurrence)), features(1, 4, 4, 5).requires_grad_()
        module(x)[..., 0, 0].sum().backward()
        assert bool((x.grad[..., 3, 4] != 0).all()) == reached


def test_every_pass_has_a_tap_of_its_own():
    module, x, seen = drawn(CrissCross(4)), features(2, 4, 3, 5), []
    found = taps(module)
    assert list(found) == ["maps.0", "maps.1"]
    for tap in found.values():
        tap.sink = seen.append
    module(x)
    assert [values.shape for values in seen] == [(2, 1, 3, 5, 8)] * 2
    for values in seen:
        torch.testing.assert_close(values.sum(-1), torch.ones(2, 1, 3, 5).double())
        assert all((values[:, :, i, :, i] == 0).all() for i in range(3))


def test_the_authors_state_dict_is_read_and_written():
    shapes = {"query_conv": (2, 16, 1, 1), "key_conv": (2, 16, 1, 1), "value_conv": (16, 16, 1, 1)}
    state = {f"{name}.weight": torch.randn(shape) for name, shape in shapes.items()}
    state |= {f"{name}.bias": torch.randn(shape[0]) for name, shape in shapes.items()} | {"gamma": torch.randn(1)}
    module = CrissCross(16)
    import_weights(module, state, "official")
    back = export_weights(module, "official")
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], values) for name, values in state.items())


def test_passes_share_their_parameters():
    assert count(CrissCross(512)) == count(CrissCross(512, recurrence=1)) == 2 * (512 * 64 + 64) + 512 * 512 + 512 + 1


def test_no_map_of_all_pairs_is_made():
    module, x = CrissCross(4, start="identity"), torch.randn(1, 4, 20, 20)
    assert largest_of_a_step(module, x) < 400 * 400 / 2


def test_wrong_options_and_features_are_said():
    with pytest.raises(OptionError, match="criss_cross: recurrence=0 is not allowed"):
        CrissCross(8, recurrence=0)
    with pytest.raises(OptionError, match="criss_cross: reduction=0 is not allowed"):
        CrissCross(8, reduction=0)
    with pytest.raises(ShapeError, match="with 2 position axes"):
        CrissCross(8)(torch.zeros(1, 8, 4))
