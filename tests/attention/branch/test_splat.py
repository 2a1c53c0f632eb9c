import math

import numpy as np
import pytest
import torch
from pytorchcv.models.common.att import SAConvBlock
from timm.layers.split_attn import SplitAttn
from torch import nn

from regard.attention.branch.splat import Splat
from regard.attention.exchange import export_weights
from regard.core.errors import OptionError, ShapeError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import (
    affine,
    batch_statistics,
    convolve,
    normalise,
    over_positions,
    positions_mean,
    relu,
    sigmoid,
    softmax,
)
from tests.attention.twins import assert_twins


def formula(x, p, radix=2, groups=1, stride=1, conv_groups=None, statistics=None):
    """Equations 1 and 2 of the paper, one cardinal group at a time."""

    def norm(name, z):
        given = statistics(z) if statistics else [p[f"{name}.running_{which}"] for which in ("mean", "var")]
        return normalise(z, *given, p[f"{name}.weight"], p[f"{name}.bias"])

    weight = p["conv.weight"]
    padding = weight.shape[-1] // 2
    z = convolve(x, weight, stride=stride, padding=padding, groups=conv_groups or groups * radix)
    splits = np.stack(np.split(relu(norm("norm", z)), radix, axis=1), 1)
    means = positions_mean(splits.sum(1))

    def group(name, s):
        weights, biases = (np.split(p[f"{name}.{which}"], groups) for which in ("weight", "bias"))
        parts = zip(weights, np.split(s, groups, 1), biases, strict=True)
        return [affine(w[..., 0], part, b) for w, part, b in parts]

    hidden = relu(norm("reduce_norm", np.concatenate(group("reduce", means), 1)))
    shares = []
    for logits in group("expand", hidden):
        logits = logits.reshape(len(x), radix, -1)
        shares.append(softmax(logits, 1) if radix > 1 else sigmoid(logits))
    a = np.concatenate(shares, 2)
    return sum(splits[:, i] * over_positions(a[:, i], x) for i in range(radix))


@pytest.mark.parametrize("shape", [(3, 12, 7, 5), (2, 12, 9), (2, 12, 3, 5, 2), (1, 12, 1, 1)])
@pytest.mark.parametrize(("radix", "groups"), [(2, 1), (1, 1), (3, 2), (2, 3), (1, 4)])
def test_it_is_the_papers_formula(shape, radix, groups):
    module, x = drawn(Splat(12, radix=radix, groups=groups, dims=len(shape) - 2)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), radix, groups), rtol=1e-10)


@pytest.mark.parametrize("size", [(7, 5), (8, 6), (1, 1)])
def test_it_may_change_channels_size_and_kernel(size):
    module, x = drawn(Splat(6, out_channels=9, stride=2, kernel_size=5)), features(2, 6, *size)
    y = module(x)
    assert y.shape == (2, 9, *(math.ceil(n / 2) for n in size))
    assert_equal(y, formula(x.numpy(), arrays(module), stride=2), rtol=1e-10)


def test_indivisible_channels_make_the_convolution_denser():
    module, x = drawn(Splat(7)), features(2, 7, 5, 4)
    assert_equal(module(x), formula(x.numpy(), arrays(module), conv_groups=1), rtol=1e-10)
    assert [Splat(c, radix=4).conv.groups for c in (64, 6, 7)] == [4, 2, 1]


def test_in_training_it_normalises_by_the_batch():
    module, x = drawn(Splat(6)).train(), features(4, 6, 5, 3)
    assert_equal(module(x), formula(x.numpy(), arrays(module), statistics=batch_statistics), rtol=1e-9)


def test_a_case_computed_by_hand():
    module = Splat(2, out_channels=1, kernel_size=1, dims=1).eval()
    with torch.no_grad():
        for values in module.parameters():
            values.zero_()
        module.conv.weight.fill_(1.0)
        module.norm.weight.fill_((1 + 1e-5) ** 0.5)
        module.expand.bias.copy_(torch.tensor([math.log(3), 0.0]))
    # The splits are the two channels of x, their shares 3/4 and 1/4.
    y = module(torch.tensor([[[4.0, 0.0], [8.0, 4.0]]]))
    torch.testing.assert_close(y, torch.tensor([[[5.0, 1.0]]]))


@pytest.mark.parametrize(
    ("channels", "options", "twin"),
    [
        (64, {}, {}),
        (64, {"radix": 1}, {"radix": 1}),
        (48, {"radix": 4, "groups": 2}, {"radix": 4, "groups": 2}),
        (64, {"out_channels": 96, "stride": 2, "groups": 2}, {"out_channels": 96, "stride": 2, "groups": 2}),
        (256, {"reduction": 8}, {"rd_ratio": 1 / 8}),
        (72, {"hidden": 40}, {}),
        (16, {"min_hidden": 8}, {"rd_channels": 4}),
    ],
)
def test_timm_agrees(channels, options, twin):
    theirs = SplitAttn(channels, norm_layer=nn.BatchNorm2d, **twin)
    assert_twins(Splat(channels, **options), theirs, "timm", features(2, channels, 7, 5), rtol=1e-9)


@pytest.mark.parametrize(("radix", "stride"), [(2, 1), (4, 2)])
def test_pytorchcv_agrees(radix, stride):
    theirs = SAConvBlock(64, 64, kernel_size=3, stride=stride, padding=1, radix=radix)
    assert_twins(Splat(64, radix=radix, stride=stride), theirs, "pytorchcv", features(2, 64, 7, 5), rtol=1e-9)


def test_the_authors_names_are_those_of_timm():
    module = drawn(Splat(8))
    assert list(export_weights(module, "official")) == list(export_weights(module, "timm"))


def resnest(depths, stem):
    """Parameters of a ResNeSt with 1000 classes: three 3x3 convolutions first, our unit instead of each other 3x3."""
    total = 3 * stem * 9 + stem * stem * 9 + stem * 2 * stem * 9 + 2 * stem + 2 * stem + 2 * 2 * stem
    inputs = 2 * stem
    for width, depth in zip((64, 128, 256, 512), depths, strict=True):
        outputs = 4 * width
        total += inputs * outputs + 2 * outputs
        for _ in range(depth):
            total += inputs * width + 2 * width + count(Splat(width)) + width * outputs + 2 * outputs
            inputs = outputs
    return total + inputs * 1000 + 1000


def test_counts_of_the_papers_networks():
    assert resnest((3, 4, 6, 3), 32) == 27_483_240
    assert resnest((3, 4, 23, 3), 64) == 48_275_016
    assert [Splat(c).reduce.out_channels for c in (16, 64, 128, 256, 512)] == [32, 32, 64, 128, 256]


def test_the_count_holds_for_every_option():
    for options in (
        {"hidden": 5, "groups": 2},
        {"min_hidden": 4},
        {"radix": 1},
        {"radix": 3, "groups": 2},
        {"out_channels": 12, "kernel_size": 5},
        {"dims": 3},
    ):
        for channels in (6, 64):
            assert Splat.count(channels, **options) == count(Splat(channels, **options))


def test_the_hidden_width_is_divisible_by_the_cardinality():
    assert Splat(36, groups=6).reduce.out_channels == 36
    assert Splat(35, groups=5).reduce.out_channels == 35


def test_parameters_stand_in_the_order_of_the_formula():
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in names(Splat(8))))
    assert layers == ["conv", "norm", "reduce", "reduce_norm", "expand"]


def test_it_starts_as_the_authors_networks():
    torch.manual_seed(0)
    module = Splat(256)
    # He's initialisation by the fan out: the 512 channels of both splits times 9 positions.
    assert module.conv.weight.std().item() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.03)
    assert module.expand.weight.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.03)
    assert module.expand.bias.any()


@pytest.mark.parametrize("radix", [1, 2, 3])
def test_the_map_shares_each_channel_among_the_splits(radix):
    module, seen = drawn(Splat(6, radix=radix)), []
    module.select.sink = seen.append
    module(features(2, 6, 5, 4))
    assert seen[0].shape == (2, radix, 6, 1, 1)
    assert module.select.level(seen[0]) == pytest.approx(1 / radix)
    if radix > 1:
        torch.testing.assert_close(seen[0].sum(1), torch.ones(2, 6, 1, 1, dtype=torch.float64))
    else:
        assert not torch.allclose(seen[0].sum(1), torch.ones(2, 6, 1, 1, dtype=torch.float64))


def test_a_batch_of_one_trains_or_is_refused():
    module = Splat(8)
    with pytest.warns(UserWarning, match="one value per channel"):
        module(torch.randn(1, 8, 4, 4)).sum().backward()
    assert all(p.grad.isfinite().all() for p in module.parameters())
    with pytest.raises(ShapeError, match="batches of two or more"):
        Splat(8, strict=True)(torch.randn(1, 8, 4, 4))


def test_an_identity_start_needs_equal_shapes():
    x = 1e3 * torch.randn(2, 8, 7, 5)
    assert torch.equal(Splat(8, start="identity")(x), x)
    module = drawn(Splat(6, start="identity"))
    torch.nn.init.constant_(module.strength, 0.5)
    x = features(2, 6, 5, 3)
    assert_equal(module(x), 0.5 * x.numpy() + 0.5 * formula(x.numpy(), arrays(module)), rtol=1e-10)
    for options in ({"stride": 2}, {"out_channels": 16}):
        with pytest.raises(OptionError, match=r"splat: start='identity' is not allowed with .*use start='paper'"):
            Splat(8, start="identity", **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"radix": 0}, "splat: radix=0 is not allowed; it must be an integer of at least 1"),
        ({"groups": None}, "splat: groups=None is not allowed; it must be an integer of at least 1"),
        ({"groups": 3}, r"splat: groups=3 is not allowed; it must divide the channels, 8 \(try 1\)"),
        ({"groups": 8, "out_channels": 12}, r"it must divide the channels, 8 and 12 \(try 4\)"),
        ({"kernel_size": 2}, "splat: kernel_size=2 is not allowed; it must be odd"),
        ({"stride": 0}, "splat: stride=0 is not allowed; it must be an integer of at least 1"),
        ({"out_channels": 0}, "splat: out_channels=0 is not allowed; it must be an integer of at least 1"),
        ({"reduction": 0}, "splat: reduction=0 is not allowed; it must be an integer of at least 1"),
        ({"dims": "2"}, "splat: dims='2' is not allowed; choose one of 1, 2, 3"),
        ({"strict": None}, "splat: strict=None is not allowed; it must be True or False"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        Splat(8, **options)
