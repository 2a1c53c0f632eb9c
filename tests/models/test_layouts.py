"""The layouts of the plain networks, held to the parameters of another library's."""

import pytest
import timm
import torch

from regard import models
from regard.models.layouts import PLAIN, attention_network, caffe, resnet, resnext, tweaked


def shapes(net):
    return [tuple(value.shape) for value in net.state_dict().values()]


@pytest.mark.parametrize("name", ["resnet152", "resnet50d", "resnext50_32x4d", "resnext101_32x4d"])
def test_the_tensors_are_another_librarys(name):
    with torch.device("meta"):
        theirs = timm.create_model(name)
    assert shapes(models.outline(name)) == shapes(theirs)


def test_the_stride_of_caffes_networks():
    assert caffe(resnet(50)).style.stride_in == "1x1"
    assert caffe(resnext(50)).style.stride_in == caffe(resnet(18)).style.stride_in == "3x3"
    assert caffe(resnet(18)).pool == "ceil"


def test_a_tweaked_layout_keeps_its_blocks():
    layout = tweaked(resnet(50), (4, 8, 16), pooled_stride=True)
    assert (layout.stem, layout.blocks, layout.style.shortcut) == ((4, 8, 16), PLAIN["resnet50"].blocks, "pooled")
    assert layout.style.pooled_stride


def test_one_block_precedes_the_modules_of_a_stage():
    layout = attention_network((1, 2, 3))
    assert (layout.blocks, layout.modules, layout.preactivated) == ((1, 1, 1, 3), (1, 2, 3, 0), True)
    layout = attention_network((1, 1, 1), resnext_blocks=True)
    assert (layout.style.groups, layout.widths[0], layout.stem, layout.preactivated) == (32, 128, (64,), False)
