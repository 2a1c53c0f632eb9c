import pytest
import torch
from timm.layers.cbam import CbamModule

from regard.attention.mixed.cbam import CBAM
from regard.core import taps
from regard.core.errors import OptionError, ShapeError
from tests.attention.channel.test_cbam_channel import formula as channel_formula
from tests.attention.drawn import PLAIN_RESNET, arrays, assert_equal, block_outputs, count, drawn, features, names
from tests.attention.spatial.test_cbam_spatial import formula as spatial_formula


def formula(x, p):
    """Equation 1 of the paper: the channels first, then the positions of what is left."""
    half = {side: {k.removeprefix(f"{side}."): v for k, v in p.items()} for side in ("channel", "spatial")}
    return spatial_formula(channel_formula(x, half["channel"]), half["spatial"])


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1)])
def test_it_is_the_papers_formula(shape):
    module, x = drawn(CBAM(6, reduction=2, dims=len(shape) - 2)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module)))


def test_a_case_computed_by_hand():
    module = CBAM(1, kernel_size=1, bias=False, dims=1).eval()
    with torch.no_grad():
        module.channel.expand.weight.zero_()
    # Both gates are sigmoid(0), as the spatial normalisation starts with the weight 0.
    assert module(torch.tensor([[[4.0, -8.0]]])).flatten().tolist() == [1.0, -2.0]


def test_counts_of_the_papers_networks():
    assert count(CBAM(64)) == 680
    for depth, published in {18: 11_779_392, 34: 21_960_468, 50: 28_089_624, 101: 49_330_172}.items():
        assert PLAIN_RESNET[depth] + sum(n * count(CBAM(c)) for c, n in block_outputs(depth)) == published


def test_parameters_and_taps_stand_in_the_order_of_the_formula():
    assert [name.split(".")[0] for name in names(CBAM(8))] == ["channel"] * 4 + ["spatial"] * 3
    assert list(taps(CBAM(8))) == ["channel.gate", "spatial.gate"]


def test_timm_agrees_after_its_planes_are_swapped():
    module, theirs = drawn(CBAM(64)), CbamModule(64, mlp_bias=True).double().eval()
    weights = {}
    for name, values in module.state_dict().items():
        name = name.replace("channel.reduce", "channel.fc1").replace("channel.expand", "channel.fc2")
        name = name.replace("spatial.conv", "spatial.conv.conv").replace("spatial.norm", "spatial.conv.bn")
        if name.startswith("channel") and name.endswith("weight"):
            values = values[..., None, None]
        weights[name] = values.flip(1) if name == "spatial.conv.conv.weight" else values
    theirs.load_state_dict(weights)
    x = features(2, 64, 5, 3)
    torch.testing.assert_close(module(x), theirs(x), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"reduction": 0}, "reduction=0 is not allowed; it must be an integer of at least 1"),
        ({"kernel_size": 8}, "kernel_size=8 is not allowed; it must be odd"),
        ({"dims": 0}, "dims=0 is not allowed; choose one of 1, 2, 3"),
        ({"start": "none"}, "start='none' is not allowed; choose one of 'paper', 'identity'"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        CBAM(8, **options)


def test_features_of_other_axes_are_refused_by_its_own_name():
    with pytest.raises(ShapeError, match=r"^cbam: .*with 1 position axis"):
        CBAM(8, dims=1)(torch.zeros(2, 8, 5, 5))
