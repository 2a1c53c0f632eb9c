"""The published networks: their counts of parameters and multiply-adds, and what they take."""

import pytest
import torch
from torch import nn

from regard import cost, models

COUNTS = {
    "se_resnet18": 11_778_592,
    "se_resnet34": 21_958_868,
    "legacy_seresnet18": 11_778_592,
    "legacy_seresnet34": 21_958_868,
    "se_resnet50": 28_088_024,
    "se_resnet101": 49_326_872,
    "se_resnet152": 66_821_848,
    "se_resnext50_32x4d": 27_559_896,
    "se_resnext101_32x4d": 48_955_416,
    "senet154": 115_088_984,
    "se_bn_inception": 11_931_622,
    "cbam_resnet18": 11_779_392,
    "cbam_resnet34": 21_960_468,
    "cbam_resnet50": 28_089_624,
    "cbam_resnet101": 49_330_172,
    "cbam_resnet152": 66_826_848,
    "bam_resnet18": 11_712_503,
    "bam_resnet34": 21_820_663,
    "bam_resnet50": 25_915_099,
    "bam_resnet101": 44_907_227,
    "bam_resnet152": 60_550_875,
    "eca_resnet18": 11_689_556,
    "eca_resnet34": 21_797_744,
    "eca_resnet50": 25_557_112,
    "eca_resnet101": 44_549_317,
    "eca_resnet152": 60_193_042,
    "sge_resnet50": 25_559_080,
    "srm_resnet50": 25_617_448,
    "sknet26": 16_746_408,
    "sknet50": 27_479_784,
    "sknet101": 48_736_040,
    "resnest50": 27_483_240,
    "resnest101": 48_275_016,
    "se_resnet20": 274_847,
    "se_resnet56": 862_889,
    "se_resnet110": 1_744_952,
    "se_resnet164": 1_906_258,
    "cbam_resnet18_cifar": 11_263_842,
    "cbam_resnet50_cifar": 26_053_434,
    "bam_resnet18_cifar": 11_196_953,
    "bam_resnet50_cifar": 23_878_909,
    "van_b0": 4_105_800,
    "van_b1": 13_861_800,
    "van_b2": 26_578_472,
}
"""As published, or computed from the authors' network files."""

GIGA = {
    "se_resnet50": 3.860,
    "se_resnet101": 7.575,
    "se_resnet152": 11.289,
    "se_resnext50_32x4d": 4.233,
    "se_resnext101_32x4d": 7.975,
    "senet154": 20.688,
    "se_bn_inception": 2.033,
    "sknet50": 4.463,
    "cbam_resnet50": 4.096,
    "bam_resnet50": 4.171,
    "van_b0": 0.864,
    "van_b1": 2.495,
    "van_b2": 4.993,
}
"""Multiply-adds of convolutions and linear layers for 224 x 224 pixels, in units of 10^9."""


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def outline(name: str) -> nn.Module:
    return models.outline(name, num_classes=models.PUBLISHED[name].classes)


def count_macs(name: str) -> int:
    side = models.PUBLISHED[name].side
    return cost.macs(outline(name), torch.zeros(1, 3, side, side, device="meta"))


@pytest.mark.parametrize("name", COUNTS)
def test_published_parameter_counts(name):
    assert count(outline(name)) == COUNTS[name] == models.PUBLISHED[name].size[0]


LARGER = ("van_b1", "van_b2")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in LARGER else name for name in GIGA]
)
def test_published_multiply_adds(name):
    macs = count_macs(name)
    assert macs == models.PUBLISHED[name].size[1]
    assert macs / 1e9 == pytest.approx(GIGA[name], rel=1e-3)


def test_gc_and_ge_add_what_their_formulas_say():
    """16 blocks of a ResNet-50; each mechanism's own formula, and the squeeze-and-excitation layers of GE."""
    plain, blocks = 25_557_032, {256: 3, 512: 4, 1024: 6, 2048: 3}
    gc = sum(n * (c + 1 + 2 * c * c // 16 + c // 16 + c + 2 * c // 16) for c, n in blocks.items())
    assert count(models.outline("gc_resnet50")) == plain + gc
    sizes = {256: 56, 512: 28, 1024: 14, 2048: 7}
    ge = sum(n * (c * sizes[c] ** 2 + 2 * c + 2 * c * c // 16 + c // 16 + c) for c, n in blocks.items())
    assert count(models.outline("ge_resnet50")) == plain + ge


QUICK = ("sge_resnet50", "se_resnet20", *GIGA)
LONG = [pytest.param(name, marks=pytest.mark.long) for name in models.PUBLISHED if name not in QUICK]


@pytest.mark.parametrize("name", ["sge_resnet50", "se_resnet20", *LONG])
def test_the_stored_sizes_are_counted(name):
    assert models.PUBLISHED[name].size == (count(outline(name)), count_macs(name))


@pytest.mark.parametrize("name", ["cbam_resnet34", "cbam_resnet101", "bam_resnet34", "bam_resnet101"])
def test_forms_for_small_images_change_stem_and_classes(name):
    """A 3x3 instead of a 7x7 convolution of 64 channels, and ten classes."""
    features = 512 if name.endswith("34") else 2048
    less = 64 * 3 * (7 * 7 - 3 * 3) + (1000 - 10) * (features + 1)
    assert count(outline(f"{name}_cifar")) == models.PUBLISHED[name].size[0] - less


def test_sknet_for_small_images_by_the_papers_formulas():
    """ResNeXt-29 16x32d of 25.1 million parameters; in each block a 1x1 branch and the layers that choose."""
    resnext, added = 25_136_970, 0
    for width in (512, 1024, 2048):
        hidden = max(width // 32, 32)
        added += 3 * (width * width // 16 + 2 * width + 3 * width * hidden + 2 * hidden)
    found = count(outline("sknet29"))
    assert found == resnext + added
    assert found == pytest.approx(27.7e6, rel=0.005)


def test_sca_cnn_adds_what_its_formula_says():
    blocks = {256: 3, 512: 4, 1024: 6, 2048: 3}
    added = sum(n * (512 * (c + 5) + 2) for c, n in blocks.items())
    assert count(outline("sca_cnn_resnet50")) == 25_557_032 + added


SIZED = [
    "legacy_seresnet18",
    "se_resnext50_32x4d",
    "sknet26",
    "ge_resnet50",
    "resnest50",
    "sknet29",
    "sca_cnn_resnet50",
]


@pytest.mark.parametrize("name", SIZED)
def test_any_size_channels_and_classes(name):
    width = 0.25 if name in ("se_resnext50_32x4d", "sknet26") else 0.03 if name == "sknet29" else 0.125
    net = models.create(name, num_classes=3, in_channels=2, width=width).eval()
    for size in ((32, 32), (33, 65)):
        y = net(torch.randn(2, 2, *size))
        assert y.shape == (2, 3)
        assert y.isfinite().all()


def test_papers_are_those_of_the_mechanisms():
    assert models.PUBLISHED["senet154"].paper.title == "Squeeze-and-Excitation Networks"
    assert models.PUBLISHED["resnest50"].paper.title.startswith("ResNeSt")


def test_accuracies_name_their_source():
    found = [network.accuracy for network in models.PUBLISHED.values() if network.accuracy is not None]
    assert len(found) > 10
    assert all(50 < one.top1 < (one.top5 or 100) <= 100 and one.source for one in found)
    assert all(one.crop == 32 if one.data == "CIFAR-10" else one.crop >= 224 for one in found)
