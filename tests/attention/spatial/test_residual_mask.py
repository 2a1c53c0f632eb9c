import itertools

import numpy as np
import pytest
import torch
from pytorchcv.models.resattnet import AttBlock, ResBlock

from regard.attention.spatial.residual_mask import ResidualMask, ResidualUnit
from regard.core.errors import OptionError, ShapeError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features
from tests.attention.formulas import convolve, normalise, relu, sigmoid


def store(p, path):
    return (p[f"{path}.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))


def activate(z, p, path):
    return relu(normalise(z, *store(p, path)))


def unit(z, p, path):
    """A residual unit whose normalisations come first."""
    hidden = z
    for number, padding in ((1, 0), (2, 1), (3, 0)):
        weight = p[f"{path}.conv{number}.weight"]
        hidden = convolve(activate(hidden, p, f"{path}.norm{number}"), weight, padding=padding)
    return z + hidden


def resnext_unit(z, p, path):
    """A unit of AttentionNeXt: three convolutions, each with its normalisation behind it, and groups in the second."""
    groups = p[f"{path}.conv2.weight"].shape[0] // p[f"{path}.conv2.weight"].shape[1]
    hidden = activate(convolve(z, p[f"{path}.conv1.weight"]), p, f"{path}.norm1")
    hidden = activate(convolve(hidden, p[f"{path}.conv2.weight"], padding=1, groups=groups), p, f"{path}.norm2")
    return relu(z + normalise(convolve(hidden, p[f"{path}.conv3.weight"]), *store(p, f"{path}.norm3")))


def units(z, p, path):
    for number in itertools.count():
        if f"{path}.{number}.conv1.weight" not in p:
            return z
        form = unit if "norm1.weight" in p else resnext_unit
        z = form(z, p, f"{path}.{number}")
    return None


def pool(x):
    """The maxima of windows of three that begin at every second position."""
    sizes = [(n + 1) // 2 for n in x.shape[2:]]
    y = np.empty((*x.shape[:2], *sizes))
    for index in np.ndindex(*sizes):
        window = x[(..., *(slice(2 * i, 2 * i + 3) for i in index))]
        y[(..., *index)] = window.reshape(*x.shape[:2], -1).max(2)
    return y


def resize(z, size):
    """Linear interpolation whose outer centres stay, position by position."""
    for axis, wanted in enumerate(size, start=2):
        given, rows = z.shape[axis], []
        for index in range(wanted):
            centre = index * (given - 1) / (wanted - 1) if wanted > 1 else 0.0
            left = min(int(centre), given - 1)
            right = min(left + 1, given - 1)
            rows.append((1 - centre + left) * z.take(left, axis) + (centre - left) * z.take(right, axis))
        z = np.stack(rows, axis)
    return z


def hourglass(z, p, depth, level=0):
    """From the size of z down and back: figure 2 of the paper, read from the inside out."""
    size, z = z.shape[2:], units(pool(z), p, f"down.{level}")
    if level + 1 == depth:
        return resize(units(z, p, "bottom"), size)
    inner = units(z, p, f"skip.{level}") + hourglass(z, p, depth, level + 1)
    return resize(units(inner, p, f"up.{level}"), size)


def compute_mask(z, activation):
    """Equations 4 to 6 of the paper."""
    if activation == "channel":
        return z / np.sqrt((z**2).sum(1, keepdims=True) + 1e-5)
    if activation == "spatial":
        axes = tuple(range(2, z.ndim))
        z = (z - z.mean(axes, keepdims=True)) / np.sqrt(z.var(axes, keepdims=True) + 1e-5)
    return sigmoid(z)


def formula(x, p, depth, activation="mixed", apply="residual"):
    z = hourglass(x, p, depth)
    for number in (1, 2):
        z = activate(z, p, f"norm{number}") if f"norm{number}.weight" in p else z
        z = convolve(z, p[f"score{number}.weight"])
    return x * ((apply == "residual") + compute_mask(z, activation))


@pytest.mark.parametrize("shape", [(2, 5, 8, 8), (2, 5, 7, 5), (1, 5, 1, 1), (2, 5, 1, 9), (2, 5, 11), (1, 5, 3, 4, 2)])
@pytest.mark.parametrize(("poolings", "units"), [(1, 1), (2, 1), (3, 2)])
def test_it_is_the_papers_formula(shape, poolings, units):
    module, x = drawn(ResidualMask(5, poolings=poolings, units=units, dims=len(shape) - 2)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), poolings), rtol=1e-8)


@pytest.mark.parametrize(("channels", "groups"), [(8, 4), (6, 1), (1, 1)])
def test_resnext_units_are_those_of_attentionnext(channels, groups):
    module = drawn(ResidualMask(channels, block="resnext", poolings=2))
    assert module.bottom[0].conv2.groups == groups
    x = features(2, channels, 6, 5)
    assert_equal(module(x), formula(x.numpy(), arrays(module), 2), rtol=1e-8)


def test_given_features_are_rescaled_instead():
    module, x, y = drawn(ResidualMask(5)), features(2, 5, 7, 6), features(2, 5, 7, 6, seed=2)
    torch.testing.assert_close(module(x, y), y * module(x) / x)
    torch.testing.assert_close(module(x, x), module(x))
    with pytest.raises(ShapeError, match=r"features have shape \(2, 5, 6, 7\) and x has \(2, 5, 7, 6\)"):
        module(x, y.transpose(2, 3))


@pytest.mark.parametrize("poolings", [1, 2, 3])
def test_the_hourglass_of_pytorchcv(poolings):
    """Their module without its blocks before and behind: the first skip is what is rescaled."""
    theirs = drawn(AttBlock(in_channels=8, out_channels=8, hourglass_depth=poolings, att_scales=[1, 2, 1]))
    ours = drawn(ResidualMask(8, poolings=poolings, hourglass="pytorchcv"))
    hg, middle = theirs.hg, theirs.middle_block
    pairs = [(ours.down[i][0], hg.down_seq[i].res_blocks.blocks.block1) for i in range(poolings)]
    pairs += [(up[0], hg.up_seq[i].res_blocks.blocks.block1) for i, up in enumerate([*ours.up, ours.bottom])]
    pairs += [(skip[0], hg.skip_seq[i + 1].skip1) for i, skip in enumerate(ours.skip)]
    for mine, other in pairs:
        for n, conv in enumerate((other.body.conv1, other.body.conv2, other.body.conv3), start=1):
            getattr(mine, f"norm{n}").load_state_dict(conv.bn.state_dict())
            getattr(mine, f"conv{n}").load_state_dict(conv.conv.state_dict())
    for n, conv in enumerate((middle.conv1, middle.conv2), start=1):
        getattr(ours, f"norm{n}").load_state_dict(conv.bn.state_dict())
        getattr(ours, f"score{n}").load_state_dict(conv.conv.state_dict())
    x = features(2, 8, 8, 16)
    z, y = hg(x)
    torch.testing.assert_close(ours(x, y), (1 + middle(z)) * y, rtol=1e-9, atol=1e-9)
    authors = ResidualMask(8, poolings=poolings).double().eval()
    authors.load_state_dict(ours.state_dict())
    assert (authors(x, y) - ours(x, y)).abs().max() > 0.1


@pytest.mark.parametrize("activation", ["mixed", "channel", "spatial"])
@pytest.mark.parametrize("apply", ["residual", "naive"])
def test_the_other_activations_are_equations_4_to_6(activation, apply):
    module, x = drawn(ResidualMask(5, activation=activation, apply=apply)), features(2, 5, 7, 5)
    assert_equal(module(x), formula(x.numpy(), arrays(module), 2, activation, apply), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("training", [False, True])
def test_a_unit_is_that_of_pytorchcv(training):
    ours, theirs = drawn(ResidualUnit(8, dims=2, strict=False)), ResBlock(in_channels=8, out_channels=8).double()
    state = ours.state_dict()
    theirs.load_state_dict(
        {
            f"body.conv{name[4]}.{'bn' if name.startswith('norm') else 'conv'}{name[5:]}": values
            for name, values in state.items()
        }
    )
    x, y = features(3, 8, 7, 5).requires_grad_(), features(3, 8, 7, 5).requires_grad_()
    got, want = ours.train(training)(x), theirs.train(training)(y)
    torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)
    got.square().sum().backward()
    want.square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-9, atol=1e-7)


def project(channels, width, hidden):
    """A residual unit with a 1x1 convolution as its shortcut."""
    norms = 2 * (channels + 2 * hidden)
    return norms + channels * hidden + 9 * hidden * hidden + hidden * width + channels * width


@pytest.mark.parametrize(("modules", "published"), [((1, 1, 1), 31_810_728), ((1, 2, 3), 52_466_344)])
def test_counts_of_the_published_networks(modules, published):
    total, before = 3 * 64 * 49 + 2 * 64, 64
    for width, number, poolings in zip((256, 512, 1024), modules, (3, 2, 1), strict=True):
        total += project(before, width, width // 4)
        # A module has a unit before the backbone, two in it and one after, and the mask.
        backbone = 4 * count(ResidualUnit(width, dims=2, strict=False))
        total += number * (backbone + ResidualMask.count(width, poolings=poolings))
        before = width
    total += project(1024, 2048, 512) + 2 * count(ResidualUnit(2048, dims=2, strict=False))
    assert total + 2 * 2048 + 2048 * 1000 + 1000 == published


@pytest.mark.parametrize("poolings", [1, 2, 3])
def test_pytorchcv_has_the_same_layers_though_another_function(poolings):
    theirs = AttBlock(in_channels=16, out_channels=16, hourglass_depth=poolings, att_scales=[1, 2, 1])
    backbone = 4 * count(ResidualUnit(16, dims=2, strict=False))
    assert sum(p.numel() for p in theirs.parameters()) == count(ResidualMask(16, poolings=poolings)) + backbone


def test_the_map_is_in_its_forms_range():
    x = 100 * features(2, 5, 7, 5)
    for activation, apply, low, high in (
        ("mixed", "residual", 1, 2),
        ("mixed", "naive", 0, 1),
        ("channel", "residual", 0, 2),
        ("channel", "naive", -1, 1),
        ("spatial", "residual", 1, 2),
    ):
        module, seen = drawn(ResidualMask(5, activation=activation, apply=apply)), []
        module.gate.sink = seen.append
        assert torch.equal(module(x), x * seen[0])
        assert (module.gate.low, module.gate.high) == (low, high)
        assert low <= seen[0].min() <= seen[0].max() <= high


def test_the_mask_covers_the_whole_image():
    module, x = drawn(ResidualMask(4, poolings=3)), features(1, 4, 16, 16)
    changed = x.clone()
    changed[..., -1, -1] += 9
    assert not torch.equal(module(x)[..., 0, 0], module(changed)[..., 0, 0])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"poolings": 0}, "residual_mask: poolings=0 is not allowed"),
        ({"units": 0}, "residual_mask: units=0 is not allowed"),
        ({"activation": "softmax"}, "residual_mask: activation='softmax' is not allowed"),
        ({"block": "plain"}, "residual_mask: block='plain' is not allowed; choose one of 'preactivated', 'resnext'"),
        ({"hourglass": "timm"}, "residual_mask: hourglass='timm' is not allowed; choose one of 'authors', 'pytorchcv'"),
        ({"apply": "gate"}, "residual_mask: apply='gate' is not allowed; choose one of 'residual', 'naive'"),
        ({"strict": 1}, "residual_mask: strict=1 is not allowed"),
        ({"dims": 4}, "residual_mask: dims=4 is not allowed"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        ResidualMask(8, **options)


def test_strict_training_refuses_a_single_position():
    with pytest.raises(ShapeError, match="batches of two or more"):
        ResidualMask(8, strict=True)(torch.randn(1, 8, 2, 2))
