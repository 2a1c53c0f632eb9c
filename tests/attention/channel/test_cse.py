import math

import pytest
import torch

from regard.attention.channel.cse import CSE
from regard.attention.channel.se import SE
from regard.attention.exchange import export_weights, import_weights
from regard.core.errors import OptionError
from regard.kernels import squeeze_positions
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import affine, over_positions, positions_mean, relu, sigmoid


def formula(x, p):
    """Equations 1 and 2 of the paper, with the biases of the authors' code."""
    hidden = relu(affine(p["reduce.weight"], positions_mean(x), p.get("reduce.bias", 0)))
    return x * over_positions(sigmoid(affine(p["expand.weight"], hidden, p.get("expand.bias", 0))), x)


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_papers_formula(shape, bias):
    module, x = drawn(CSE(6, bias=bias)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module)))


def test_a_case_computed_by_hand():
    module = CSE(2, bias=False)
    with torch.no_grad():
        module.reduce.weight.copy_(torch.tensor([[0.5, -0.5]]))
        module.expand.weight.copy_(torch.tensor([[-math.log(3)], [math.log(4)]]))
    # The means are 4 and 2, the hidden value is 1, the gates are 1/4 and 4/5.
    y = module(torch.tensor([[[8.0, 0.0], [5.0, -1.0]]]))
    assert y.flatten().tolist() == pytest.approx([2.0, 0.0, 4.0, -0.8])


def test_the_hidden_layer_has_half_the_width():
    assert CSE(64).reduce.out_features == 32
    assert CSE(1).reduce.out_features == 1
    assert count(CSE(64)) == 2 * 64 * 32 + 32 + 64
    assert count(CSE(64, bias=False)) == 64**2
    assert names(CSE(8)) == ["reduce.weight", "reduce.bias", "expand.weight", "expand.bias"]


def test_the_map_alone_is_the_one_applied():
    module, x = drawn(CSE(6)), features(2, 6, 3, 4)
    torch.testing.assert_close(module(x), x * module.weights(squeeze_positions(x, "mean")))


def test_it_is_se_with_its_own_reduction():
    module, other, x = drawn(CSE(6)), SE(6, reduction=2).double(), features(2, 6, 3, 4)
    other.load_state_dict(module.state_dict())
    assert torch.equal(module(x), other(x))


def test_the_authors_weights_round_trip():
    module, other, x = drawn(CSE(6)), CSE(6).double(), features(2, 6, 3, 4)
    state = export_weights(module, "official")
    assert {name: tuple(values.shape) for name, values in state.items()} == {
        **{"fc1.weight": (3, 6), "fc1.bias": (3,)},
        **{"fc2.weight": (6, 3), "fc2.bias": (6,)},
    }
    import_weights(other, state, "official")
    assert torch.equal(other(x), module(x))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"reduction": -1}, "cse: reduction=-1 is not allowed; it must be an integer of at least 1"),
        ({"bias": 1}, "cse: bias=1 is not allowed; it must be True or False"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        CSE(8, **options)
