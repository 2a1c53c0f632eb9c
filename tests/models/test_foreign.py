"""Networks of other libraries: made, never downloaded, and refused in a sentence."""

import sys

import pytest
import torch
from torch import nn

from regard import models
from regard.core import DependencyError, OptionError, UnknownNameError


@pytest.mark.parametrize("name", ["timm:test_resnet", "timm:test_vit", "torchvision:squeezenet1_1"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_classes_and_channels_are_as_asked(name, channels):
    net = models.create(name, num_classes=5, in_channels=channels)
    assert net(torch.randn(2, channels, 160, 160)).shape == (2, 5)


def test_a_seed_gives_the_same_weights_again():
    one, same, other = (models.create("timm:test_resnet", seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_torchvision_takes_other_channels_with_the_libraries_spread():
    net = models.create("torchvision:resnet18", in_channels=6, seed=0)
    three = models.create("torchvision:resnet18", seed=0)
    assert net.conv1.weight.shape == (64, 6, 7, 7)
    assert net.conv1.stride == three.conv1.stride
    assert net.conv1.bias is None
    ratio = net.conv1.weight.std() / three.conv1.weight.std()
    assert ratio.item() == pytest.approx(0.5**0.5, rel=0.03)
    assert torch.equal(net.layer1[0].conv1.weight, three.layer1[0].conv1.weight)


def test_torchvisions_transformers_take_other_channels():
    net = models.create("torchvision:vit_b_32", in_channels=1, num_classes=2)
    assert net(torch.randn(1, 1, 224, 224)).shape == (1, 2)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_with_two_classifiers_return_logits_in_training(name):
    net = models.create(f"torchvision:{name}", num_classes=3).train()
    assert net(torch.randn(2, 3, 96, 96)).shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timm:resnet5O", "'timm:resnet5O'.*timm:resnet50"),
        ("timm:hf-hub:someone/something", "no network named"),
        ("torchvision:resnet5O", "'torchvision:resnet5O'.*torchvision:resnet50"),
        ("torchvision:fcn_resnet50", "no network named"),
        ("timm:", "no network named"),
    ],
)
def test_an_unknown_name_lists_the_nearest(name, said):
    with pytest.raises(UnknownNameError, match=said):
        models.create(name)


@pytest.mark.parametrize("option", ["num_classes", "in_channels"])
@pytest.mark.parametrize("library", ["timm:resnet18", "torchvision:resnet18"])
def test_numbers_are_checked(library, option):
    with pytest.raises(OptionError, match=f"{option}=0"):
        models.create(library, **{option: 0})


def test_a_missing_library_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(DependencyError, match=r"timm:resnet18.*pip install 'regard\[timm\]'"):
        models.create("timm:resnet18")


def test_a_network_that_reads_no_image_is_refused():
    from regard.models.foreign import _take_channels

    with pytest.raises(OptionError, match="first convolution, 0, does not read"):
        _take_channels(nn.Sequential(nn.Conv2d(4, 8, 3)), "strange", 1)
