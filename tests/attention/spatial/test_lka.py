import pytest
import torch

from regard.attention.exchange import export_weights, import_weights
from regard.attention.spatial.lka import LKA
from regard.core.errors import CheckpointError, OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import convolve


def look(x, p, dilation, groups):
    """Equation 2 of the paper: depthwise, dilated depthwise, 1x1."""
    dense, far = p["near.weight"].shape[2], p["far.weight"].shape[2]
    z = convolve(x, p["near.weight"], p["near.bias"], padding=dense // 2, groups=groups)
    z = convolve(z, p["far.weight"], p["far.bias"], padding=dilation * (far // 2), dilation=dilation, groups=groups)
    return convolve(z, p["mix.weight"], p["mix.bias"])


@pytest.mark.parametrize("shape", [(2, 3, 7, 5), (1, 3, 1, 1), (2, 3, 9), (1, 3, 2, 4, 3)])
@pytest.mark.parametrize("options", [{}, {"kernel_size": 9, "dilation": 2}, {"kernel_size": 5, "dilation": 1}])
def test_it_is_the_papers_formula(shape, options):
    module, x = drawn(LKA(3, dims=len(shape) - 2, **options)), features(*shape)
    expected = x.numpy() * look(x.numpy(), arrays(module), options.get("dilation", 3), 3)
    assert_equal(module(x), expected, rtol=1e-10)


def test_a_case_computed_by_hand():
    module = LKA(1, kernel_size=3, dilation=1, dims=1)
    with torch.no_grad():
        for values in module.parameters():
            values.zero_()
        module.near.weight.fill_(2.0)
        module.far.weight.copy_(torch.tensor([[[1.0, 0.0, 1.0]]]))
        module.mix.weight.fill_(1.0)
        module.mix.bias.fill_(-1.0)
    # Doubled: 2 4 6; both neighbours: 4 8 4; less one: 3 7 3.
    assert module(torch.tensor([[[1.0, 2.0, 3.0]]])).tolist() == [[[3.0, 14.0, 9.0]]]


class SpatialAttention(torch.nn.Module):
    """The published layer, written from the paper's figure 3."""

    def __init__(self, c):
        super().__init__()
        self.proj_1, self.proj_2 = torch.nn.Conv2d(c, c, 1), torch.nn.Conv2d(c, c, 1)
        unit = self.spatial_gating_unit = torch.nn.Module()
        unit.conv0 = torch.nn.Conv2d(c, c, 5, padding=2, groups=c)
        unit.conv_spatial = torch.nn.Conv2d(c, c, 7, padding=9, dilation=3, groups=c)
        unit.conv1 = torch.nn.Conv2d(c, c, 1)

    def forward(self, x):
        u, unit = torch.nn.functional.gelu(self.proj_1(x)), self.spatial_gating_unit
        return x + self.proj_2(u * unit.conv1(unit.conv_spatial(unit.conv0(u))))


def test_the_published_layer_agrees_and_exchanges_weights():
    module, theirs, again = drawn(LKA(6, projections=True)), SpatialAttention(6).double(), LKA(6, projections=True)
    theirs.load_state_dict(export_weights(module, "official"))
    x, y = features(2, 6, 9, 5).requires_grad_(), features(2, 6, 9, 5).requires_grad_()
    torch.testing.assert_close(module(x), theirs(y), rtol=1e-11, atol=1e-12)
    module(x).square().sum().backward()
    theirs(y).square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-11, atol=1e-9)
    import_weights(again.double(), theirs.state_dict(), "official")
    assert torch.equal(again(x), module(x))
    with pytest.raises(CheckpointError, match=r"LKA stores our 'near.weight' as 'conv0.weight'"):
        import_weights(LKA(6), theirs.state_dict(), "official")
    gate = drawn(LKA(6))
    theirs.spatial_gating_unit.load_state_dict(export_weights(gate, "official"))
    unit = theirs.spatial_gating_unit
    torch.testing.assert_close(gate(x), x * unit.conv1(unit.conv_spatial(unit.conv0(x))), rtol=1e-11, atol=1e-12)


PUBLISHED = {
    "VAN-B0": ((32, 64, 160, 256), (3, 3, 5, 2), 4.11),
    "VAN-B1": ((64, 128, 320, 512), (2, 2, 4, 2), 13.86),
    "VAN-B2": ((64, 128, 320, 512), (3, 3, 12, 3), 26.58),
    "VAN-B3": ((64, 128, 320, 512), (3, 5, 27, 3), 44.77),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_of_the_published_networks(name):
    widths, depths, millions = PUBLISHED[name]
    total, before, kernel = 1000 * (widths[-1] + 1), 3, 7
    for c, depth, ratio in zip(widths, depths, (8, 8, 4, 4), strict=True):
        h = ratio * c
        embedding = before * c * kernel**2 + c + 2 * c
        mlp = c * h + h + 9 * h + h + h * c + c
        # A block: two normalisations, two scales, the attention layer, the hidden layers; a stage ends normalised.
        total += embedding + depth * (2 * 2 * c + 2 * c + LKA.count(c, projections=True) + mlp) + 2 * c
        before, kernel = c, 3
    assert round(total / 1e6, 2) == millions


def test_the_count_and_the_order():
    assert count(LKA(64)) == 64 * (25 + 1) + 64 * (49 + 1) + 64 * 64 + 64
    layers = dict.fromkeys(name.rpartition(".")[0] for name in names(LKA(8, projections=True)))
    assert list(layers) == ["near", "far", "mix", "projections.enter", "projections.leave"]


def test_its_receptive_field_is_that_of_its_kernel():
    module, x = drawn(LKA(1, dims=1)), torch.zeros(1, 1, 61, dtype=torch.float64)
    x[..., 30] = 1
    module.near.bias.data.zero_()
    module.far.bias.data.zero_()
    module.mix.bias.data.zero_()
    seen = module.score(x).flatten().nonzero().flatten()
    # 5 positions, and 7 taps three apart: the centre and 2 + 9 on each side, 21 in full and their two ends.
    assert (seen.min(), seen.max()) == (19, 41)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kernel_size": 24}, "lka: kernel_size=24 is not allowed with dilation=3"),
        ({"dilation": 0}, "lka: dilation=0 is not allowed"),
        ({"kernel_size": "21"}, "lka: kernel_size='21' is not allowed"),
        ({"projections": 1}, "lka: projections=1 is not allowed; it must be True or False"),
        ({"dims": 4}, "lka: dims=4 is not allowed"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        LKA(8, **options)
