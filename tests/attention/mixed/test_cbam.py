import pytest
import torch
from pytorchcv.models.cbamresnet import CbamBlock
from timm.layers.cbam import CbamModule

from regard.attention.exchange import export_weights, import_weights
from regard.attention.mixed.cbam import CBAM
from regard.core import taps
from regard.core.errors import OptionError, ShapeError
from tests.attention.channel.test_cbam_channel import formula as channel_formula
from tests.attention.drawn import PLAIN_RESNET, arrays, assert_equal, block_outputs, count, drawn, features, names
from tests.attention.spatial.test_cbam_spatial import formula as spatial_formula
from tests.attention.twins import assert_twins


def formula(x, p, pools=("mean", "max")):
    """Equation 1 of the paper: the channels first, then the positions of what is left."""
    half = {side: {k.removeprefix(f"{side}."): v for k, v in p.items()} for side in ("channel", "spatial")}
    return spatial_formula(channel_formula(x, half["channel"], pools), half["spatial"])


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


def test_parameters_and_taps_follow_the_formula():
    assert [name.split(".")[0] for name in names(CBAM(8))] == ["channel"] * 4 + ["spatial"] * 3
    assert list(taps(CBAM(8))) == ["channel.gate", "spatial.gate"]


@pytest.mark.parametrize("pools", [("mean",), ("lp", "lse")])
def test_the_channel_half_uses_the_given_statistics(pools):
    module, x = drawn(CBAM(6, reduction=2, pools=pools)), features(2, 6, 5, 3)
    assert_equal(module(x), formula(x.numpy(), arrays(module), pools), rtol=1e-10)


def test_timm_with_another_hidden_width_agrees():
    theirs = CbamModule(64, rd_channels=24, mlp_bias=True)
    assert_twins(CBAM(64, hidden=24), theirs, "timm", features(2, 64, 3, 2))


@pytest.mark.parametrize("bias", [True, False])
def test_timm_agrees_after_its_planes_are_swapped(bias):
    assert_twins(CBAM(64, bias=bias), CbamModule(64, mlp_bias=bias), "timm", features(2, 64, 5, 3))


def test_pytorchcv_agrees():
    assert_twins(CBAM(64), CbamBlock(64), "pytorchcv", features(2, 64, 5, 3))


def test_the_authors_weights_round_trip():
    module, other, x = drawn(CBAM(32)), CBAM(32).double().eval(), features(2, 32, 5, 3)
    state = export_weights(module, "official")
    assert list(dict.fromkeys(name.rpartition(".")[0] for name in state)) == [
        *("ChannelGate.mlp.1", "ChannelGate.mlp.3", "SpatialGate.spatial.conv", "SpatialGate.spatial.bn")
    ]
    import_weights(other, state, "official")
    assert torch.equal(other(x), module(x))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"reduction": 0}, "reduction=0 is not allowed; it must be an integer of at least 1"),
        ({"pools": ("min",)}, "pools='min' is not allowed; choose one of 'mean', 'max', 'lp', 'lse'"),
        ({"kernel_size": 8}, "kernel_size=8 is not allowed; it must be odd"),
        ({"dims": 0}, "dims=0 is not allowed; choose one of 1, 2, 3"),
        ({"start": "none"}, "start='none' is not allowed; choose one of 'paper', 'identity'"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        CBAM(8, **options)


def test_features_of_other_axes_are_refused():
    with pytest.raises(ShapeError, match=r"^cbam: .*with 1 position axis"):
        CBAM(8, dims=1)(torch.zeros(2, 8, 5, 5))
