import math

import numpy as np
import pytest
import torch
from pytorchcv.models.common.att import SEBlock
from timm.layers.squeeze_excite import EffectiveSEModule, SEModule
from torchvision.models import mobilenet_v3_large, regnet_y_400mf
from torchvision.ops import SqueezeExcitation

from regard.attention.channel.se import SE
from regard.attention.exchange import export_weights
from regard.core.errors import OptionError, ShapeError
from tests.attention.drawn import (
    PLAIN_RESNET,
    arrays,
    assert_equal,
    block_outputs,
    count,
    drawn,
    features,
    names,
)
from tests.attention.formulas import affine, over_positions, positions_mean, relu, sigmoid
from tests.attention.twins import assert_twins


def formula(x, p):
    """Equations 2 to 4 of the paper, with the biases of the published networks."""
    hidden = relu(affine(p["reduce.weight"], positions_mean(x), p.get("reduce.bias", 0)))
    return x * over_positions(sigmoid(affine(p["expand.weight"], hidden, p.get("expand.bias", 0))), x)


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1), (2, 6, 1, 8)])
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_papers_formula(shape, bias):
    module, x = drawn(SE(6, reduction=2, bias=bias)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module)))


def test_a_case_computed_by_hand():
    module = SE(2, reduction=2)
    with torch.no_grad():
        module.reduce.weight.copy_(torch.tensor([[1.0, 1.0]]))
        module.reduce.bias.fill_(-1.0)
        module.expand.weight.copy_(torch.tensor([[math.log(3) / 3], [-10.0]]))
        module.expand.bias.copy_(torch.tensor([0.0, 30.0]))
    # The means are 2 and 2, the hidden value is 2 + 2 - 1 = 3, the logits are log 3 and 0.
    y = module(torch.tensor([[[1.0, 3.0], [4.0, 0.0]]]))
    assert y.tolist() == [[[pytest.approx(0.75), pytest.approx(2.25)], [2.0, 0.0]]]


def test_counts_of_the_papers_networks():
    assert count(SE(64)) == 580
    assert [SE(c).reduce.out_features for c in (256, 512, 1024, 2048)] == [16, 32, 64, 128]
    for depth, published in {18: 11_778_592, 34: 21_958_868, 50: 28_088_024, 101: 49_326_872}.items():
        assert PLAIN_RESNET[depth] + sum(n * count(SE(c)) for c, n in block_outputs(depth)) == published
    without = sum(n * (count(SE(c)) - count(SE(c, bias=False))) for c, n in block_outputs(50))
    assert without == 16_048


def test_parameters_stand_in_the_order_of_the_formula():
    assert names(SE(8)) == ["reduce.weight", "reduce.bias", "expand.weight", "expand.bias"]
    assert SE(8, reduction=4).reduce.weight.shape == (2, 8)


def test_a_narrow_layer_still_sees_its_input():
    module = drawn(SE(3, reduction=16))
    a, b = module(features(1, 3, 4, 4)), module(2 * features(1, 3, 4, 4))
    assert module.reduce.out_features == 1
    assert not torch.allclose(b, 2 * a)


@pytest.mark.parametrize(
    ("gate", "squash"), [("sigmoid", sigmoid), ("hard_sigmoid", lambda z: np.clip(z + 3, 0, 6) / 6)]
)
@pytest.mark.parametrize("bias", [True, False])
def test_without_a_hidden_layer_it_is_effective_se(gate, squash, bias):
    module, x = drawn(SE(6, reduction=None, gate=gate, bias=bias)), features(3, 6, 7, 5)
    p = arrays(module)
    logits = affine(p["score.weight"], positions_mean(x.numpy()), p.get("score.bias", 0))
    assert_equal(module(x), x.numpy() * over_positions(squash(logits), x))


def test_a_hard_sigmoid_computed_by_hand():
    module = SE(2, reduction=None, gate="hard_sigmoid")
    with torch.no_grad():
        module.score.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
        module.score.bias.copy_(torch.tensor([0.0, -1.0]))
    # The means are 1.5 and 2, the logits 1.5 and 3: the gates (1.5 + 3) / 6 and 1.
    y = module(torch.tensor([[[1.0, 2.0], [4.0, 0.0]]]))
    assert y.tolist() == [[[0.75, 1.5], [4.0, 0.0]]]


def test_counts_of_the_effective_form():
    assert count(SE(64, reduction=None)) == 64 * 65 == SE.count(64, reduction=None)
    assert count(SE(64, reduction=None, bias=False)) == 64 * 64 == SE.count(64, reduction=None, bias=False)
    assert names(SE(8, reduction=None)) == ["score.weight", "score.bias"]


@pytest.mark.parametrize("gate", ["sigmoid", "hard_sigmoid"])
def test_timm_with_the_same_hidden_width_agrees(gate):
    assert_twins(SE(64, gate=gate), SEModule(64, rd_channels=4, gate_layer=gate), "timm", features(2, 64, 5, 3))


@pytest.mark.parametrize("gate", ["sigmoid", "hard_sigmoid"])
def test_timms_effective_form_agrees(gate):
    theirs = EffectiveSEModule(16, gate_layer=gate)
    assert_twins(SE(16, reduction=None, gate=gate), theirs, "timm", features(2, 16, 5, 3))


def test_torchvision_agrees():
    assert_twins(SE(8, reduction=2), SqueezeExcitation(8, 4), "torchvision", features(2, 8, 5, 3))


@pytest.mark.parametrize("build", [mobilenet_v3_large, regnet_y_400mf])
def test_hidden_widths_of_real_networks_agree(build):
    layers = [layer for layer in build().modules() if isinstance(layer, SqueezeExcitation)]
    widths = {(layer.fc1.in_channels, layer.fc1.out_channels): layer for layer in layers}
    assert any(c // 4 != hidden and c // 16 != hidden for c, hidden in widths)
    for (c, hidden), theirs in widths.items():
        gate = "hard_sigmoid" if isinstance(theirs.scale_activation, torch.nn.Hardsigmoid) else "sigmoid"
        module = SE(c, hidden=hidden, gate=gate)
        assert_twins(module, theirs, "torchvision", features(1, c, 2, 1), rtol=1e-10)
        assert SE.count(c, hidden=hidden) == count(module)


@pytest.mark.parametrize("channels", [16, 64, 256])
def test_timms_default_agrees(channels):
    assert_twins(SE(channels, min_hidden=8), SEModule(channels), "timm", features(2, channels, 3, 2))
    assert SE.count(channels, min_hidden=8) == count(SEModule(channels))


def test_a_hidden_width_overrides_the_reduction():
    assert SE(64, hidden=7).reduce.out_features == SE(64, reduction=None, hidden=7).reduce.out_features == 7
    assert SE(64, hidden=2, min_hidden=8).reduce.out_features == 2
    assert SE.count(64, reduction=None, hidden=7) == count(SE(64, reduction=None, hidden=7))


def test_pytorchcv_agrees():
    assert_twins(SE(32, reduction=4), SEBlock(32, reduction=4), "pytorchcv", features(2, 32, 5, 3))


def test_the_authors_effective_layer_is_named_as_theirs():
    state = export_weights(SE(8, reduction=None, gate="hard_sigmoid"), "official")
    assert {name: tuple(values.shape) for name, values in state.items()} == {"fc.weight": (8, 8, 1, 1), "fc.bias": (8,)}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"reduction": 0}, "se: reduction=0 is not allowed; it must be an integer of at least 1"),
        ({"reduction": 2.0}, "reduction=2.0"),
        ({"hidden": 0}, "se: hidden=0 is not allowed; it must be an integer of at least 1"),
        ({"min_hidden": 0}, "se: min_hidden=0 is not allowed; it must be an integer of at least 1"),
        ({"gate": "tanh"}, "se: gate='tanh' is not allowed; choose one of 'sigmoid', 'hard_sigmoid'"),
        ({"reduction": None, "bias": 0}, "se: bias=0 is not allowed; it must be True or False"),
        ({"bias": "no"}, "se: bias='no' is not allowed; it must be True or False"),
        ({"start": "zero"}, "se: start='zero' is not allowed; choose one of 'paper', 'identity'"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        SE(8, **options)


def test_wrong_features_are_said():
    with pytest.raises(ShapeError, match=r"se: x has shape \(2, 7, 3, 3\), so 7 channels.*channels=7"):
        SE(8)(torch.zeros(2, 7, 3, 3))
    with pytest.raises(TypeError):
        SE(8, reducton=2)


def test_the_map_is_the_gate():
    module, x, seen = drawn(SE(6, reduction=2)), features(2, 6, 3, 4), []
    module.gate.sink = seen.append
    y = module(x)
    assert seen[0].shape == (2, 6, 1, 1)
    np.testing.assert_array_equal(y.detach(), (x * seen[0]).detach())
