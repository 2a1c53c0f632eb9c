"""The parts of a residual network against torch's own modules and hand-made numbers."""

import pytest
import torch
from torch import nn

from regard.core import Spec
from regard.models.blocks import PadShortcut, Residual, Style, basic, bottleneck, shortcut


def test_a_block_is_relu_of_branch_plus_shortcut():
    branch, downsample = nn.Linear(3, 3), nn.Linear(3, 3)
    x = torch.randn(4, 3)
    assert torch.equal(Residual([("a", branch)], None)(x), torch.relu(branch(x) + x))
    assert torch.equal(Residual([("a", branch)], downsample)(x), torch.relu(branch(x) + downsample(x)))


def test_a_block_runs_its_parts_in_their_order():
    block = Residual([("second", nn.Linear(2, 2)), ("first", nn.Linear(2, 2))], None)
    x = torch.randn(5, 2)
    assert torch.equal(block(x), torch.relu(block.first(block.second(x)) + x))


@pytest.mark.parametrize("size", [(1, 1), (4, 6), (5, 3)])
def test_the_pad_shortcut_strides_and_adds_zero_channels(size):
    x = torch.randn(2, 3, *size)
    y = PadShortcut(3, 5, 2)(x)
    assert y.shape[2:] == nn.Conv2d(3, 5, 3, stride=2, padding=1)(x).shape[2:]
    assert torch.equal(y[:, :3], x[:, :, ::2, ::2])
    assert y[:, 3:].abs().max() == 0


@pytest.mark.parametrize("form", ["projection", "pad", "pooled", "3x3"])
def test_the_shortcut_of_unchanged_shapes_is_the_identity(form):
    assert shortcut(8, 8, 1, form) is None
    assert shortcut(8, 8, 2, form) is not None
    assert shortcut(8, 16, 1, form) is not None


def names(block: Residual) -> list[str]:
    return [name for name in block.order if not name.startswith("relu")]


def test_a_gate_stands_after_the_last_normalisation():
    assert names(basic(8, 8, 1, Style(Spec("se")))) == ["conv1", "bn1", "conv2", "bn2", "attention"]
    assert names(bottleneck(8, 8, 1, Style(Spec("se"))))[-2:] == ["bn3", "attention"]


def test_a_conv_mechanism_replaces_the_3x3_convolution():
    assert names(basic(8, 16, 2, Style(Spec("sk")))) == ["attention", "conv2", "bn2"]
    assert names(bottleneck(8, 8, 1, Style(Spec("sk")))) == ["conv1", "bn1", "attention", "conv3", "bn3"]


def test_a_kernel_mechanism_keeps_normalisation_and_relu():
    block = basic(8, 16, 2, Style(Spec("dynamic_conv")))
    assert block.order == ["attention", "bn1", "relu1", "conv2", "bn2"]
    assert (block.attention.channels, block.bn1.num_features) == (8, 16)
    assert block(torch.randn(2, 8, 5, 5)).shape == (2, 16, 3, 3)


@pytest.mark.parametrize("mechanism", ["bam", "mil_pool"])
def test_stage_and_head_mechanisms_are_in_no_block(mechanism):
    assert "attention" not in names(basic(8, 8, 1, Style(Spec(mechanism))))


@pytest.mark.parametrize(("stride_in", "strides"), [("3x3", (1, 2, 1)), ("1x1", (2, 1, 1))])
def test_one_convolution_of_a_bottleneck_halves_the_size(stride_in, strides):
    block = bottleneck(8, 4, 2, Style(stride_in=stride_in))
    assert tuple(conv.stride[0] for conv in (block.conv1, block.conv2, block.conv3)) == strides
    assert block(torch.randn(2, 8, 7, 9)).shape == (2, 16, 4, 5)


def test_a_replacing_mechanism_has_the_3x3s_stride():
    inside = bottleneck(8, 8, 2, Style(Spec("sk")))
    before = bottleneck(8, 8, 2, Style(Spec("sk"), stride_in="1x1"))
    x = torch.randn(2, 8, 7, 9)
    assert inside(x).shape == before(x).shape == (2, 32, 4, 5)
    assert inside.attention(x).shape[2:] == (4, 5)
    assert before.attention(x).shape[2:] == (7, 9)


@pytest.mark.parametrize("size", [(1, 1), (4, 6), (5, 3)])
def test_every_shortcut_has_the_size_of_the_branch(size):
    x = torch.randn(2, 3, *size)
    expected = PadShortcut(3, 5, 2)(x).shape
    assert all(shortcut(3, 5, 2, form)(x).shape == expected for form in ("projection", "pooled", "3x3"))


def test_a_pooled_shortcut_averages_existing_positions():
    pool, conv, _ = shortcut(1, 1, 2, "pooled")
    assert conv.kernel_size == conv.stride == (1, 1)
    assert pool(torch.arange(9.0).reshape(1, 1, 3, 3)).flatten().tolist() == [2.0, 3.5, 6.5, 8.0]


def test_a_3x3_shortcut_without_stride_is_1x1():
    assert shortcut(3, 5, 1, "3x3")[0].kernel_size == (1, 1)
    assert shortcut(3, 5, 2, "3x3")[0].kernel_size == (3, 3)


def test_groups_and_widths_of_a_bottleneck():
    block = bottleneck(16, 8, 2, Style(expansion=2, narrowing=2, groups=4))
    assert (block.conv1.out_channels, block.conv2.out_channels, block.conv3.out_channels) == (4, 8, 16)
    assert block.conv2.groups == 4
    assert bottleneck(16, 8, 1, Style(Spec("dynamic_conv"), groups=4)).attention.options["groups"] == 4


def test_a_pooling_has_the_stride_behind_the_attention():
    block = bottleneck(8, 8, 2, Style(Spec("splat"), pooled_stride=True))
    assert block.attention(torch.randn(2, 8, 7, 9)).shape[2:] == (7, 9)
    assert block(torch.randn(2, 8, 7, 9)).shape == (2, 32, 4, 5)
    assert "pool" not in names(bottleneck(8, 8, 1, Style(Spec("splat"), pooled_stride=True)))


def test_a_stage_has_its_own_options():
    style = Style(Spec("ge", {"form": "theta_plus"}), by_stage=({"size": 4}, {"size": 2}))
    assert style.of_stage(2).mechanism == Spec("ge", {"form": "theta_plus", "size": 2})
    assert style.of_stage(2).of_stage(1).mechanism == style.of_stage(2).mechanism
