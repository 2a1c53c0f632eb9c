import numpy as np
import pytest
import torch
from timm.layers import GlobalContext
from torch import nn

from regard.attention.channel.gc import GC
from regard.attention.exchange import export_weights, import_weights
from regard.core import taps
from regard.core.errors import CheckpointError, OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features
from tests.attention.formulas import affine, over_positions, positions_mean, relu, sigmoid, softmax
from tests.attention.twins import assert_twins


def context(x, p):
    """The mean of the positions, by the shares of equation 5; uniform where there is no score."""
    if "score.weight" not in p:
        return positions_mean(x)
    rows = x.reshape(*x.shape[:2], -1)
    logits = np.einsum("c,bcp->bp", p["score.weight"][0, :, 0], rows) + p["score.bias"]
    return np.einsum("bp,bcp->bc", softmax(logits, 1), rows)


def transform(g, p, path, e):
    """A layer, a normalisation over its units, a relu, a layer."""
    z = affine(p[f"{path}.reduce.weight"], g, p[f"{path}.reduce.bias"])
    spread = np.sqrt(((z - z.mean(1, keepdims=True)) ** 2).mean(1, keepdims=True) + e)
    z = (z - z.mean(1, keepdims=True)) / spread * p[f"{path}.norm.weight"] + p[f"{path}.norm.bias"]
    return affine(p[f"{path}.expand.weight"], relu(z), p[f"{path}.expand.bias"])


def formula(x, p, e=1e-5):
    """Scaled first and shifted then, each where there are weights for it."""
    g, y = context(x, p), x
    if "scale.reduce.weight" in p:
        y = y * over_positions(sigmoid(transform(g, p, "scale", e)), x)
    return y + over_positions(transform(g, p, "shift", e), x) if "shift.reduce.weight" in p else y


class ContextBlock(nn.Module):
    """The authors' block, by its formula and the names of its state dict."""

    def __init__(self, channels, planes, fusions=("add",)):
        super().__init__()
        self.conv_mask = nn.Conv2d(channels, 1, 1)
        for kind in fusions:
            layers = (nn.Conv2d(channels, planes, 1), nn.LayerNorm([planes, 1, 1]), nn.ReLU())
            self.add_module(f"channel_{kind}_conv", nn.Sequential(*layers, nn.Conv2d(planes, channels, 1)))

    def forward(self, x):
        shares = self.conv_mask(x).flatten(1).softmax(1)
        g = torch.einsum("bcp,bp->bc", x.flatten(2), shares)[..., None, None]
        y = x * self.channel_mul_conv(g).sigmoid() if hasattr(self, "channel_mul_conv") else x
        return y + self.channel_add_conv(g) if hasattr(self, "channel_add_conv") else y


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1), (2, 6, 1, 8)])
@pytest.mark.parametrize("pooling", ["attention", "mean"])
@pytest.mark.parametrize("fusion", ["add", "scale", "both"])
def test_it_is_the_published_formula(shape, pooling, fusion):
    module = drawn(GC(6, reduction=2, pooling=pooling, fusion=fusion, epsilon=1e-3))
    x = features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), 1e-3), rtol=1e-10)


@pytest.mark.parametrize(
    ("fusion", "options"),
    [("scale", {}), ("add", {"fuse_add": True, "fuse_scale": False}), ("both", {"fuse_add": True})],
)
def test_timm_agrees(fusion, options):
    module = GC(32, reduction=8, fusion=fusion, epsilon=1e-6)
    assert_twins(module, GlobalContext(32, **options), "timm", features(2, 32, 5, 3), rtol=1e-10)


def test_timm_agrees_on_the_mean():
    module, theirs = (
        GC(32, reduction=8, pooling="mean", fusion="scale", epsilon=1e-6),
        GlobalContext(32, use_attn=False),
    )
    assert_twins(module, theirs, "timm", features(2, 32, 5, 3), rtol=1e-10)


@pytest.mark.parametrize(("fusion", "kinds"), [("add", ("add",)), ("scale", ("mul",)), ("both", ("mul", "add"))])
def test_the_authors_block_agrees(fusion, kinds):
    module, x = GC(32, reduction=4, fusion=fusion), features(2, 32, 5, 3)
    assert_twins(module, ContextBlock(32, 8, kinds), "official", x, rtol=1e-10)


def test_a_case_computed_by_hand():
    module = GC(2, pooling="mean").double()
    with torch.no_grad():
        for values in module.parameters():
            values.zero_()
        module.shift.norm.weight.fill_(1.0)
        module.shift.reduce.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(2, 1))
        module.shift.expand.weight.copy_(torch.tensor([[2.0, 7.0, 0.0, 7.0], [0.0, 1.0, 0.0, 1.0]]))
        module.shift.expand.bias.copy_(torch.tensor([0.0, 5.0]))
    # The means are 40 and 0; the units 40, 0, 40, 0 normalised are 1, -1, 1, -1 but for epsilon: 2 and 5 are added.
    y = module(torch.tensor([[[30.0, 50.0], [-1.0, 1.0]]], dtype=torch.float64))
    assert y.flatten().tolist() == pytest.approx([32.0, 52.0, 4.0, 6.0])


def test_it_starts_as_the_authors_networks():
    x = torch.randn(2, 8, 5, 3)
    assert torch.equal(GC(8)(x), x)
    assert torch.equal(GC(8, fusion="scale")(x), x / 2)
    torch.manual_seed(0)
    wide = GC(8192)
    assert wide.score.weight.std().item() == pytest.approx((2 / 8192) ** 0.5, rel=0.05)
    assert not wide.score.bias.any()


def test_a_narrow_layer_still_sees_its_input():
    module = drawn(GC(3, reduction=16))
    assert module.shift.reduce.out_features == 4
    inputs = [features(1, 3, 4, 4, seed=seed) for seed in range(5)]
    added = {round((module(x) - x).mean().item(), 6) for x in inputs}
    assert len(added) == len(inputs)


def test_counts_by_hand():
    one = 2 * 64 * 4 + 4 + 64 + 2 * 4
    assert count(GC(64)) == 65 + one
    assert count(GC(64, pooling="mean", fusion="both")) == 2 * one
    assert [GC(c).shift.reduce.out_features for c in (512, 1024, 2048)] == [32, 64, 128]


def test_the_maps_are_position_shares_and_a_gate():
    module, seen = drawn(GC(6, fusion="both")), []
    assert list(taps(module)) == ["map", "gate"]
    module.map.sink = seen.append
    module(features(2, 6, 5, 3))
    assert seen[0].shape == (2, 1, 5, 3)
    torch.testing.assert_close(seen[0].sum((2, 3)), torch.ones(2, 1, dtype=torch.float64))


def test_weights_of_another_fusion_are_refused():
    state = export_weights(GC(32), "official")
    with pytest.raises(CheckpointError, match="channel_mul_conv"):
        import_weights(GC(32, fusion="both"), state, "official")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"reduction": 0}, "gc: reduction=0 is not allowed; it must be an integer of at least 1"),
        ({"pooling": "max"}, "gc: pooling='max' is not allowed; choose one of 'attention', 'mean'"),
        ({"fusion": "mul"}, "gc: fusion='mul' is not allowed; choose one of 'add', 'scale', 'both'"),
        ({"epsilon": 0}, "gc: epsilon=0 is not allowed; it must be a number above 0"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        GC(8, **options)
