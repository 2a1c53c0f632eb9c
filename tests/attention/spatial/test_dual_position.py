import numpy as np
import pytest
import torch
from pytorchcv.models.danet import PosAttBlock

from regard.attention import export_weights, import_weights
from regard.attention.spatial.dual_position import DualPosition
from regard.core import OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features
from tests.attention.formulas import softmax
from tests.attention.largest import largest_of_a_step
from tests.attention.twins import assert_twins


def formula(x, p):
    """Equations 1 and 2 of the paper, in a loop over images and positions."""
    flat, y = x.reshape(*x.shape[:2], -1), np.empty_like(x).reshape(*x.shape[:2], -1)
    for b, image in enumerate(flat):
        queries, keys, values = (
            p[f"{name}.weight"] @ image + p[f"{name}.bias"][:, None] for name in ("query", "key", "value")
        )
        for j in range(image.shape[1]):
            shares = softmax(np.array([queries[:, j] @ keys[:, i] for i in range(image.shape[1])]), 0)
            y[b, :, j] = image[:, j] + p["gamma"] * sum(s * values[:, i] for i, s in enumerate(shares))
    return y.reshape(x.shape)


@pytest.mark.parametrize("shape", [(2, 6, 4, 3), (2, 6, 5), (1, 6, 2, 3, 2), (1, 6, 1, 1), (1, 6, 1, 7)])
@pytest.mark.parametrize("watched", [False, True])
def test_it_is_the_published_formula(shape, watched):
    module, x = drawn(DualPosition(6, reduction=2)), features(*shape)
    module.map.sink = (lambda values: None) if watched else None
    assert_equal(module(x), formula(x.numpy(), arrays(module)))


def test_a_case_computed_by_hand():
    module = DualPosition(1)
    with torch.no_grad():
        for name, value in (("query", 1.0), ("key", np.log(3)), ("value", 4.0)):
            getattr(module, name).weight.fill_(value)
            getattr(module, name).bias.zero_()
        module.gamma.fill_(0.5)
    # The position of 1 shares 1 : 3 between the values 0 and 4, that of 0 shares equally.
    assert module(torch.tensor([[[0.0, 1.0]]])).flatten().tolist() == pytest.approx([0 + 0.5 * 2, 1 + 0.5 * 3])


def test_pytorchcv_agrees():
    assert_twins(DualPosition(16), PosAttBlock(16), "pytorchcv", features(2, 16, 5, 3))


def test_the_authors_state_dict_is_read_and_written():
    shapes = {"query_conv": (2, 16, 1, 1), "key_conv": (2, 16, 1, 1), "value_conv": (16, 16, 1, 1)}
    state = {f"{name}.weight": torch.randn(shape) for name, shape in shapes.items()}
    state |= {f"{name}.bias": torch.randn(shape[0]) for name, shape in shapes.items()} | {"gamma": torch.randn(1)}
    module = DualPosition(16)
    import_weights(module, state, "official")
    assert torch.equal(module.query.weight, state["query_conv.weight"].squeeze())
    back = export_weights(module, "official")
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], values) for name, values in state.items())


def test_it_starts_without_effect():
    x = features(1, 8, 3, 3).float()
    assert torch.equal(DualPosition(8)(x), x)
    module = DualPosition(8, start="identity")
    assert module.gamma.item() == 1
    assert count(DualPosition(512)) == 2 * (512 * 64 + 64) + 512 * 512 + 512 + 1


def test_an_unwatched_tap_makes_no_full_map():
    module, x = DualPosition(8, start="identity"), torch.randn(1, 8, 20, 20)
    assert largest_of_a_step(module, x) < 400 * 400
    module.map.sink = lambda values: None
    assert largest_of_a_step(module, x) == 400 * 400


def test_a_wrong_option_is_said():
    with pytest.raises(OptionError, match="dual_position: reduction=0 is not allowed"):
        DualPosition(8, reduction=0)
