"""The networks by name: the published parameter counts, and what a wrong name or option says."""

import math

import pytest
import torch
from torch import nn

from regard import CATALOGUE, CONTROLS, models, training
from regard.core import CheckpointError, OptionError, RegardError, Spec, UnknownNameError
from regard.models.layouts import PLAIN

PUBLISHED = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x4d": 44_177_704,
}
PUBLISHED_SMALL = {
    ("resnet20", "projection"): 272_474,
    ("se_resnet20", "projection"): 274_847,
    ("se_resnet56", "projection"): 862_889,
    ("se_resnet110", "projection"): 1_744_952,
    ("resnet20", "pad"): 269_722,
    ("se_resnet20", "pad"): 272_095,
    ("se_resnet56", "pad"): 860_137,
}
BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
WIDTHS = (64, 128, 256, 512)


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_parameter_counts(name):
    assert count(models.outline(name)) == PUBLISHED[name]


@pytest.mark.parametrize(("name", "shortcut"), PUBLISHED_SMALL)
def test_published_parameter_counts_for_small_images(name, shortcut):
    assert count(models.create(name, num_classes=10, shortcut=shortcut)) == PUBLISHED_SMALL[name, shortcut]


def test_the_stride_changes_no_parameter():
    assert count(models.create("resnet50", stride_in="1x1")) == PUBLISHED["resnet50"]


@pytest.mark.parametrize("name", BLOCKS)
def test_eca_adds_the_papers_kernels(name):
    """Equation 12: the odd number nearest to |log2(c) / 2 + 1 / 2|, a tie going up."""
    expansion = 4 if name in ("resnet50", "resnet101") else 1
    kernels = 0
    for blocks, width in zip(BLOCKS[name], WIDTHS, strict=True):
        size = int(abs(math.log2(expansion * width) / 2 + 0.5))
        kernels += blocks * (size if size % 2 else size + 1)
    assert count(models.outline(name, attention="eca")) == PUBLISHED[name] + kernels


def test_eca_with_a_uniform_released_kernel_size():
    """The authors' ResNet-34 has kernels 3, 3, 5, 7: with 3 everywhere 16 blocks add 48."""
    assert count(models.create("resnet34", attention="eca:kernel_size=3")) == PUBLISHED["resnet34"] + 3 * 16


@pytest.mark.parametrize("name", ["resnet50", "resnet101"])
def test_sk_replaces_the_middle_convolution(name):
    """By the paper's formulas: two grouped branches with normalisation, then a layer of d that chooses."""
    changed = 0
    for blocks, width in zip(BLOCKS[name], WIDTHS, strict=True):
        hidden = max(width // 16, 32)
        replaced = 9 * width * width + 2 * width
        branches = 2 * (9 * width * width // 32 + 2 * width)
        chooses = width * hidden + 2 * hidden + 2 * width * hidden
        changed += blocks * (branches + chooses - replaced)
    assert count(models.outline(f"sk_{name}")) == PUBLISHED[name] + changed


@pytest.mark.parametrize("depth", [8, 20, 32, 56, 110])
def test_the_number_of_layers_is_the_name(depth):
    net = models.create(f"resnet{depth}", num_classes=10, width=0.25, shortcut="pad")
    assert sum(isinstance(module, nn.Conv2d | nn.Linear) for module in net.modules()) == depth


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_large_networks_are_named_by_their_layers(depth):
    net = models.create(f"resnet{depth}", num_classes=10, width=0.125, shortcut="pad")
    assert sum(isinstance(module, nn.Conv2d | nn.Linear) for module in net.modules()) == depth


@pytest.mark.parametrize(("name", "sites"), [("bam_resnet18", 3), ("bam_resnet20", 2), ("se_resnet20", 9)])
def test_the_number_of_sites(name, sites):
    assert len(models.describe(models.create(name, width=0.25)).sites) == sites


def test_every_name_exists():
    names = models.names()
    composed = {f"{mechanism.facts.name}_{plain}" for mechanism in (*CATALOGUE, *CONTROLS) for plain in PLAIN}
    beside = len(models.PUBLISHED.keys() - composed)
    assert len(names) == len(set(names)) == len(PLAIN) * (2 + len(CATALOGUE) + len(CONTROLS)) + beside + 2
    for name in names:
        if name.endswith(("resnet8", "resnet18")):
            assert models.create(name, width=0.25, num_classes=2).name == name


def test_prefix_and_option_make_the_same_network():
    one = models.create("cbam_resnet8", num_classes=3, seed=4).state_dict()
    two = models.create("resnet8", attention=Spec("cbam"), num_classes=3, seed=4).state_dict()
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_published_name_has_its_own_layout():
    published, plain = models.outline("se_resnet50"), models.outline("resnet50", attention="se")
    assert (published.name, plain.name) == ("se_resnet50", "resnet50 with se")
    assert published.state_dict().keys() == plain.state_dict().keys()
    assert (published.layer2[0].conv1.stride, plain.layer2[0].conv1.stride) == ((2, 2), (1, 1))
    assert (published.maxpool.ceil_mode, plain.maxpool.ceil_mode) == (True, False)
    assert models.create("se_resnet50", stride_in="3x3", width=0.125).layer2[0].conv2.stride == (2, 2)


def save(path, net, **network):
    training.save_weights(path, net, {"run": {"network": network}} if network else {})


def test_weights_of_a_file_are_loaded(tmp_path):
    net = models.create("cbam_resnet8", num_classes=3, seed=1)
    save(tmp_path / "w.safetensors", net, name="resnet8", options={"attention": "cbam"})
    loaded = models.create("cbam_resnet8", num_classes=3, weights=tmp_path / "w.safetensors")
    assert all(torch.equal(loaded.state_dict()[name], value) for name, value in net.state_dict().items())


def test_weights_of_the_same_shapes_and_another_function(tmp_path):
    net = models.create("resnet50", attention="se", num_classes=3, width=0.125)
    save(tmp_path / "w.safetensors", net, name="resnet50", options={"attention": "se"})
    with pytest.raises(CheckpointError, match=r"weights of resnet50 with se, and se_resnet50 computes something else"):
        models.create("se_resnet50", num_classes=3, width=0.125, weights=tmp_path / "w.safetensors")
    models.create("resnet50", attention="se", num_classes=3, width=0.125, weights=str(tmp_path / "w.safetensors"))


def test_pytorchcvs_attention_network_is_another_function(tmp_path):
    small = {"num_classes": 3, "width": 0.0625}
    save(tmp_path / "w.safetensors", models.create("resattnet56", **small), name="resattnet56", options={})
    with pytest.raises(CheckpointError, match="weights of resattnet56, and attention56 computes something else"):
        models.create("attention56", weights=tmp_path / "w.safetensors", **small)
    models.create("resattnet56", weights=tmp_path / "w.safetensors", **small)


def test_a_pickle_or_another_networks_file_is_refused(tmp_path):
    net = models.create("resnet8", num_classes=3)
    torch.save(net.state_dict(), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"w\.pth: this is a pickle.*refused"):
        models.create("resnet8", num_classes=3, weights=tmp_path / "w.pth")
    save(tmp_path / "w.safetensors", net)
    with pytest.raises(CheckpointError, match=r"w\.safetensors: These weights are not those of this resnet20"):
        models.create("resnet20", num_classes=3, weights=tmp_path / "w.safetensors")


def test_an_outline_has_the_shapes_of_the_network():
    outline, net = models.outline("hard_spatial_resnet8"), models.create("hard_spatial_resnet8")
    shapes = {name: value.shape for name, value in net.state_dict().items()}
    assert {name: value.shape for name, value in outline.state_dict().items()} == shapes
    assert all(value.is_meta for value in outline.parameters())


def test_widths_are_multiples_of_the_groups():
    net = models.create("resnext50_32x4d", width=0.3)
    assert (net.layer1[0].conv2.out_channels, net.layer4[0].conv2.groups) == (32, 32)
    assert net(torch.randn(2, 3, 40, 33)).shape == (2, 1000)


def test_options_of_the_mechanism_arrive():
    net = models.create("resnet8", attention="se:reduction=4,start=identity")
    assert net.layer2[0].attention.reduce.out_features == 8
    assert net.layer2[0].attention.strength.item() == 0


def test_factor_and_widths_make_the_same_network():
    factor, widths = models.create("resnet8", width=1.5), models.create("resnet8", width=[24, 48, 96])
    assert [p.shape for p in factor.parameters()] == [p.shape for p in widths.parameters()]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet5O", "no network named 'resnet5O'.*'resnet50'.*se_resnet50"),
        ("se_resnet5O", "no network named 'resnet5O'.*'resnet50'"),
        ("cbma_resnet20", "no mechanism named 'cbma'.*'cbam'"),
        ("sca_resnet20", "'sca' means several things"),
        ("ResNet20", "Did you mean 'resnet20'"),
        ("", "no network named ''"),
        ("keras:resnet50", "no library of networks named 'keras'"),
    ],
)
def test_an_unknown_name_says_what_is_near(name, said):
    with pytest.raises(UnknownNameError, match=said):
        models.create(name)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("se_resnet8", {"attention": "cbam"}, "'se_resnet8' already names its attention.*'resnet8' is the plain"),
        ("senet154", {"attention": "cbam"}, "'senet154' already names its attention, 'se'"),
        ("resnext50_32x4d", {"width": (32, 64, 128, 250)}, "have groups: give multiples of 32"),
        ("resnet8", {"attention": "se:reductoin=4"}, "option of 'se'.*'reduction'"),
        ("resnet8", {"attention": "sea"}, "no mechanism named 'sea'"),
        ("resnet8", {"stride_in": "1x1"}, "resnet8: stride_in='1x1'.*resnet50"),
        ("resnet50", {"stride_in": "5x5"}, "resnet50: stride_in='5x5'.*'3x3', '1x1'"),
        ("attention56", {"stride_in": "1x1"}, "attention56: stride_in='1x1' .*only regard's own ResNets have it"),
        ("resattnet92", {"shortcut": "pad"}, "resattnet92: shortcut='pad' is not allowed"),
        ("attention56", {"attention": "se"}, "'attention56' already names its attention, 'residual_mask'"),
        ("resnet8", {"shortcut": "zero"}, "resnet8: shortcut='zero'"),
        ("resnet8", {"num_classes": 0}, "num_classes=0"),
        ("resnet8", {"in_channels": 2.5}, "in_channels=2.5"),
        ("resnet8", {"width": 0}, "width=0 .*positive"),
        ("resnet8", {"width": float("nan")}, "width=nan"),
        ("resnet8", {"width": "2"}, "width="),
        ("resnet8", {"width": (16, 32)}, r"for 2 stages.*3: give 3 integers.*\(16, 32, 64\)"),
        ("resnet8", {"width": (16, 32, 0)}, "width=0"),
        ("torchvision:resnet18", {"attention": "se"}, "torchvision:resnet18: attention='se'.*resnet50"),
        ("timm:resnet18", {"width": 2.0}, "timm:resnet18: width=2.0"),
    ],
)
def test_a_wrong_option_says_what_is_allowed(name, options, said):
    with pytest.raises(RegardError, match=said) as caught:
        models.create(name, **options)
    assert isinstance(caught.value, OptionError | UnknownNameError)
