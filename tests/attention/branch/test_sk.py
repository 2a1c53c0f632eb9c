import math

import numpy as np
import pytest
import torch
from pytorchcv.models.sknet import SKConvBlock
from timm.layers.selective_kernel import SelectiveKernel

from regard.attention.branch.sk import SK
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
    softmax,
)
from tests.attention.twins import assert_twins


def running(p, path):
    """Normalisation by the running statistics of the layer at `path`."""
    return lambda z: normalise(
        z, p[f"{path}.running_mean"], p[f"{path}.running_var"], p[f"{path}.weight"], p[f"{path}.bias"]
    )


def of_batch(p, path):
    """Normalisation by the batch's own statistics."""
    return lambda z: normalise(z, *batch_statistics(z), p[f"{path}.weight"], p[f"{path}.bias"])


def formula(x, p, branches, groups, stride=1, norm=running, dilations=None):
    """Equations 1 to 6 of the paper."""
    u = []
    for i in range(branches):
        d, weight = dilations[i] if dilations else i + 1, p[f"branches.{i}.0.weight"]
        padding = d * (weight.shape[-1] - 1) // 2
        z = convolve(x, weight, stride=stride, padding=padding, dilation=d, groups=groups)
        u.append(relu(norm(p, f"branches.{i}.1")(z)))
    z = relu(norm(p, "norm")(affine(p["reduce.weight"], positions_mean(sum(u)))))
    logits = np.stack(np.split(affine(p["expand.weight"], z), branches, axis=1), 1)
    a = softmax(logits, 1)
    return sum(u[i] * over_positions(a[:, i], x) for i in range(branches))


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1)])
@pytest.mark.parametrize(("branches", "groups"), [(2, None), (3, 3)])
def test_it_is_the_papers_formula(shape, branches, groups):
    module = drawn(SK(6, branches=branches, groups=groups, dims=len(shape) - 2))
    x = features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), branches, groups or 2))


@pytest.mark.parametrize("shape", [(2, 6, 7, 5), (2, 6, 9), (1, 6, 1, 1)])
@pytest.mark.parametrize(
    ("options", "sizes", "dilations"),
    [
        ({"kernel_sizes": (3, 5)}, (3, 5), (1, 1)),
        ({"branches": 4, "kernel_sizes": (1, 3, 5, 7), "groups": 3}, (1, 3, 5, 7), (1, 1, 1, 1)),
        ({"dilations": (2, 5)}, (3, 3), (2, 5)),
        ({"branches": 3, "kernel_sizes": (5, 3, 1), "dilations": (1, 3, 2)}, (5, 3, 1), (1, 3, 2)),
    ],
)
def test_branches_take_any_kernel_sizes_and_dilations(shape, options, sizes, dilations):
    module, x = drawn(SK(6, dims=len(shape) - 2, **options)), features(*shape)
    assert [branch[0].weight.shape[-1] for branch in module.branches] == list(sizes)
    expected = formula(x.numpy(), arrays(module), len(sizes), options.get("groups", 2), dilations=dilations)
    assert_equal(module(x), expected)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"branches": 3},
        {"kernel_sizes": (3, 5)},
        {"out_channels": 12, "groups": 2},
        {"dims": 3, "reduction": 4},
        {"hidden": 5},
    ],
)
def test_the_count_holds_for_every_option(options):
    for channels in (4, 64, 512):
        assert SK.count(channels, **options) == count(SK(channels, **options))


@pytest.mark.parametrize("size", [(7, 5), (8, 6), (1, 1)])
def test_it_may_change_channels_and_size(size):
    module, x = drawn(SK(6, out_channels=9, stride=2)), features(2, 6, *size)
    y = module(x)
    assert y.shape == (2, 9, *(math.ceil(n / 2) for n in size))
    assert_equal(y, formula(x.numpy(), arrays(module), 2, 1, stride=2))


def test_the_running_statistics_have_momentum_0_05():
    module, x = drawn(SK(6, groups=1)).train(), features(4, 6, 5, 3)
    before = {name: values.copy() for name, values in arrays(module).items()}
    assert_equal(module(x), formula(x.numpy(), before, 2, 1, norm=of_batch), rtol=1e-9)
    mean, _ = batch_statistics(convolve(x.numpy(), before["branches.0.0.weight"], padding=1))
    expected = 0.95 * before["branches.0.1.running_mean"] + 0.05 * mean
    np.testing.assert_allclose(arrays(module)["branches.0.1.running_mean"], expected)
    assert module.norm.momentum == 0.05


def test_a_case_computed_by_hand():
    module = SK(1, dims=1).eval()
    with torch.no_grad():
        module.branches[0][0].weight.copy_(torch.tensor([[[0.0, 1.0, 0.0]]]))
        module.branches[1][0].weight.copy_(torch.tensor([[[1.0, 0.0, 0.0]]]))
        module.reduce.weight.fill_(1.0)
        module.norm.weight.fill_(math.log(3) / 32)
        module.expand.weight.copy_(torch.cat([torch.full((1, 32), 1.0), torch.zeros(1, 32)]))
    # The branches are x and x two positions further, (0, 0, 1); the mean of their sum is (1 + 1 + 1) / 3 = 1,
    # the logits are log 3 and 0, the shares 3/4 and 1/4.
    y = module(torch.tensor([[[1.0, 1.0, 0.0]]]))
    torch.testing.assert_close(y, torch.tensor([[[0.75, 0.75, 0.25]]]), rtol=1e-4, atol=1e-6)


def sknet(depths, **hidden):
    """Parameters of an SKNet with 1000 classes: the paper's table 1 with our unit instead of the 3x3.

    Args:
        depths: of its stages.
        hidden: of a stage, by its width as in `at256`.
    """
    total, inputs = 3 * 64 * 49 + 2 * 64, 64
    for width, depth in zip((128, 256, 512, 1024), depths, strict=True):
        outputs = 2 * width
        total += inputs * outputs + 2 * outputs
        for _ in range(depth):
            total += (
                inputs * width
                + 2 * width
                + count(SK(width, hidden=hidden.get(f"at{width}")))
                + width * outputs
                + 2 * outputs
            )
            inputs = outputs
    return total + inputs * 1000 + 1000


def test_counts_of_the_papers_networks():
    assert sknet((3, 4, 6, 3)) == 27_479_784
    assert sknet((2, 2, 2, 2)) == 16_746_408
    assert sknet((3, 4, 23, 3)) == 48_736_040
    assert sknet((3, 4, 23, 3), at256=16) == 48_686_760  # as released
    assert [SK(c).reduce.out_features for c in (16, 128, 256, 512, 1024)] == [32, 32, 32, 32, 64]


def test_parameters_stand_in_the_order_of_the_formula():
    branches = [f"branches.{i}.{part}" for i in (0, 1) for part in ("0.weight", "1.weight", "1.bias")]
    assert names(SK(8)) == [*branches, "reduce.weight", "norm.weight", "norm.bias", "expand.weight"]
    assert SK(64).branches[0][0].weight.shape == (64, 2, 3, 3)


def test_it_starts_as_the_authors_networks():
    torch.manual_seed(0)
    module = SK(512)
    assert module.reduce.weight.std().item() == pytest.approx(0.01, rel=0.03)
    assert module.expand.weight.std().item() == pytest.approx(0.01, rel=0.03)
    # He's initialisation by the 16 channels of a group times 9 positions.
    assert module.branches[1][0].weight.std().item() == pytest.approx((2 / (16 * 9)) ** 0.5, rel=0.03)


@pytest.mark.parametrize(("channels", "groups"), [(64, 32), (128, 32), (48, 16), (6, 2), (7, 1)])
def test_the_default_number_of_groups_divides_the_channels(channels, groups):
    assert SK(channels).branches[0][0].groups == groups


@pytest.mark.parametrize(
    ("options", "twin"),
    [
        ({}, {"kernel_size": [3, 5]}),
        ({"branches": 3, "dilations": (1, 2, 3)}, {"kernel_size": [3, 5, 7]}),
        ({"kernel_sizes": (3, 5)}, {"kernel_size": [3, 5], "keep_3x3": False}),
        ({"kernel_sizes": (3, 7), "dilations": (2, 2)}, {"kernel_size": [3, 7], "keep_3x3": False, "dilation": 2}),
        ({"out_channels": 96, "stride": 2}, {"out_channels": 96, "stride": 2}),
    ],
)
def test_timm_without_split_input_agrees(options, twin):
    theirs = SelectiveKernel(64, groups=32, split_input=False, rd_channels=32, **twin)
    assert_twins(SK(64, groups=32, **options), theirs, "timm", features(2, 64, 7, 5), rtol=1e-10)


@pytest.mark.parametrize(("branches", "stride"), [(2, 1), (3, 2)])
def test_pytorchcv_agrees(branches, stride):
    theirs = SKConvBlock(64, 64, stride=stride, num_branches=branches)
    assert_twins(SK(64, branches=branches, stride=stride), theirs, "pytorchcv", features(2, 64, 7, 5), rtol=1e-10)


def test_the_map_shares_each_channel_among_the_branches():
    module, seen = drawn(SK(6, branches=3)), []
    module.select.sink = seen.append
    module(features(2, 6, 5, 4))
    assert seen[0].shape == (2, 3, 6, 1, 1)
    torch.testing.assert_close(seen[0].sum(1), torch.ones(2, 6, 1, 1, dtype=torch.float64))
    assert module.select.level(seen[0]) == pytest.approx(1 / 3)


def test_float16_features_are_chosen_in_float32():
    module, seen = SK(6).half(), []
    module.select.sink = seen.append
    assert module(torch.randn(2, 6, 5, 4).half()).dtype == torch.float16
    assert seen[0].dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_the_features_layout_is_kept(dtype):
    x = torch.randn(2, 8, 7, 5).to(dtype)
    for features_ in (x, x.to(memory_format=torch.channels_last)):
        assert SK(8).to(dtype)(features_).stride() == features_.stride()
    clip = torch.randn(2, 8, 3, 4, 5).to(dtype).to(memory_format=torch.channels_last_3d)
    assert SK(8, dims=3).to(dtype)(clip).stride() == clip.stride()


def test_an_identity_start_needs_equal_shapes():
    x = 1e3 * torch.randn(2, 8, 7, 5)
    for dtype in (torch.float16, torch.float32):
        assert torch.equal(SK(8, start="identity").to(dtype)(x.to(dtype)), x.to(dtype))
    module = drawn(SK(6, start="identity"))
    torch.nn.init.constant_(module.strength, 0.5)
    x = features(2, 6, 5, 3)
    assert_equal(module(x), 0.5 * x.numpy() + 0.5 * formula(x.numpy(), arrays(module), 2, 2))
    for options in ({"stride": 2}, {"out_channels": 16}):
        with pytest.raises(OptionError, match=r"sk: start='identity' is not allowed with .*use start='paper'"):
            SK(8, start="identity", **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"groups": 3}, r"sk: groups=3 is not allowed; it must divide the channels, 8 \(try 1\)"),
        ({"groups": 8, "out_channels": 12}, r"it must divide the channels, 8 and 12 \(try 4\)"),
        ({"branches": 1}, "sk: branches=1 is not allowed; it must be an integer of at least 2"),
        (
            {"kernel_sizes": (3, 5, 7)},
            r"sk: kernel_sizes=\(3, 5, 7\) is not allowed with branches=2; it must be a tuple of 2",
        ),
        ({"dilations": [1, 2]}, r"sk: dilations=\[1, 2\] is not allowed with branches=2"),
        ({"kernel_sizes": (3, 4)}, "sk: kernel_sizes=4 is not allowed; it must be odd"),
        ({"dilations": (1, 0)}, "sk: dilations=0 is not allowed; it must be an integer of at least 1"),
        ({"stride": 0}, "sk: stride=0 is not allowed; it must be an integer of at least 1"),
        ({"out_channels": 0}, "sk: out_channels=0 is not allowed; it must be an integer of at least 1"),
        ({"reduction": 0}, "sk: reduction=0 is not allowed; it must be an integer of at least 1"),
        ({"dims": "2"}, "sk: dims='2' is not allowed; choose one of 1, 2, 3"),
        ({"strict": None}, "sk: strict=None is not allowed; it must be True or False"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        SK(8, **options)


def test_a_single_image_warns_or_is_refused():
    with pytest.warns(UserWarning, match="one value per channel"):
        SK(8)(torch.randn(1, 8, 4, 4))
    with pytest.raises(ShapeError, match="batches of two or more"):
        SK(8, strict=True)(torch.randn(1, 8, 4, 4))
