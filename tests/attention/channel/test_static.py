import math

import pytest
import torch
from torch.nn import functional

from regard.attention.channel.static import Static
from regard.core.errors import OptionError, ShapeError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import over_positions, sigmoid

INTERPOLATION = {1: "linear", 2: "bilinear", 3: "trilinear"}


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1)])
def test_every_image_gets_the_same_gate(shape):
    module, x = drawn(Static(6)), features(*shape)
    gate = sigmoid(arrays(module)["logits"])
    assert_equal(module(x), x.numpy() * over_positions(gate[None], x))


@pytest.mark.parametrize(
    ("grid", "size"),
    [((4,), (9,)), ((7, 7), (5, 11)), ((3, 4), (1, 1)), ((1, 1), (4, 3)), ((7, 7), (7, 7)), ((3, 2, 5), (5, 2, 3))],
)
def test_a_grid_is_resampled_as_pytorch_interpolates(grid, size):
    module, x = drawn(Static(6, shape="spatial", size=grid)), features(2, 6, *size)
    logits = functional.interpolate(module.logits[None, None], size=size, mode=INTERPOLATION[len(grid)])
    torch.testing.assert_close(module(x), x * torch.sigmoid(logits), rtol=1e-11, atol=1e-12)


def test_a_grid_of_equal_size_is_unchanged():
    module, seen = Static(2, shape="spatial", size=(7, 5)), []
    torch.nn.init.normal_(module.logits)
    module.gate.sink = seen.append
    module(torch.zeros(3, 2, 7, 5))
    assert torch.equal(seen[0], torch.sigmoid(module.logits).expand(3, 1, 7, 5))


def test_a_case_computed_by_hand():
    module = Static(2)
    with torch.no_grad():
        module.logits.copy_(torch.tensor([math.log(3), -math.log(3)]))
    assert module(torch.ones(1, 2, 1)).flatten().tolist() == pytest.approx([0.75, 0.25])


def test_it_starts_at_a_half():
    assert torch.equal(Static(4)(torch.ones(2, 4, 3, 3)), torch.full((2, 4, 3, 3), 0.5))
    assert count(Static(64)) == 64
    assert Static(64, shape="spatial").logits.shape == (7, 7)
    assert count(Static(64, shape="spatial", size=(7, 5))) == 35
    assert names(Static(4)) == ["logits"]


def test_the_map_ignores_the_input():
    module, seen = drawn(Static(4)), []
    module.gate.sink = seen.append
    module(features(3, 4, 2, 2))
    module(features(3, 4, 2, 2, seed=5))
    assert seen[0].shape == (3, 4, 1, 1)
    assert torch.equal(seen[0], seen[1])
    assert Static(4, shape="spatial", size=(2, 2)).gate.kind.name == "spatial"


def test_the_grid_learns_without_a_nondeterministic_operator():
    module = drawn(Static(2, shape="spatial", size=(3, 4)))
    x = features(2, 2, 5, 3).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, logits: torch.func.functional_call(module, {"logits": logits}, x), (x, module.logits)
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"shape": "mixed"}, "static: shape='mixed' is not allowed; choose one of 'channel', 'spatial'"),
        ({"size": (7, 7)}, r"static: size=\(7, 7\) is not allowed with shape='channel'"),
        ({"shape": "spatial", "size": ()}, r"static: size=\(\) is not allowed; it must be 1 to 3 numbers"),
        ({"shape": "spatial", "size": 7}, "static: size=7 is not allowed; it must be 1 to 3 numbers"),
        ({"shape": "spatial", "size": (7, 0)}, "static: size=0 is not allowed; it must be an integer of at least 1"),
        ({"shape": "spatial", "size": (1, 2, 3, 4)}, "1 to 3 numbers"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        Static(8, **options)


def test_a_grid_refuses_features_of_other_axes():
    with pytest.raises(ShapeError, match="with 2 position axes"):
        Static(4, shape="spatial", size=(7, 7))(torch.zeros(1, 4, 5))
