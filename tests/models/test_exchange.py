"""Networks of other libraries with random weights, converted: the same outputs, or a refusal that names the tensor."""

import functools

import pytest
import timm
import torch
import torchvision
from pytorchcv.models.resattnet import ResAttNet
from torch import nn

from regard import models
from regard.attention import export_weights
from regard.core import CheckpointError, OptionError
from regard.models.exchange import convert_network

SMALL = [
    ("timm", "seresnet18", "resnet18", {"attention": "se:min_hidden=8"}),
    ("timm", "legacy_seresnet18", "legacy_seresnet18", {}),
    ("torchvision", "resnet18", "resnet18", {}),
]
LARGE = [
    ("timm", "seresnet34", "resnet34", {"attention": "se:min_hidden=8"}),
    ("timm", "seresnet50", "resnet50", {"attention": "se"}),
    ("timm", "seresnet101", "resnet101", {"attention": "se"}),
    ("timm", "seresnet152", "resnet152", {"attention": "se"}),
    ("timm", "seresnext50_32x4d", "resnext50_32x4d", {"attention": "se"}),
    ("timm", "legacy_seresnet34", "legacy_seresnet34", {}),
    ("timm", "legacy_seresnet50", "se_resnet50", {}),
    ("timm", "legacy_seresnet101", "se_resnet101", {}),
    ("timm", "legacy_seresnet152", "se_resnet152", {}),
    ("timm", "legacy_seresnext50_32x4d", "se_resnext50_32x4d", {}),
    ("timm", "legacy_seresnext101_32x4d", "se_resnext101_32x4d", {}),
    ("timm", "legacy_senet154", "senet154", {}),
    ("timm", "skresnext50_32x4d", "resnext50_32x4d", {"attention": "sk"}),
    ("timm", "ecaresnet50d", "resnet50d", {"attention": "eca"}),
    ("timm", "ecaresnet101d", "resnet101d", {"attention": "eca"}),
    ("timm", "resnest50d", "resnest50", {}),
    ("timm", "resnest101e", "resnest101", {}),
    ("torchvision", "resnet34", "resnet34", {}),
    ("torchvision", "resnet50", "resnet50", {}),
    ("torchvision", "resnet101", "resnet101", {}),
    ("torchvision", "resnet152", "resnet152", {}),
    ("torchvision", "resnext50_32x4d", "resnext50_32x4d", {}),
]
PYTORCHCV = [
    ("seresnet18", "se_resnet18", {}),
    ("seresnet50", "resnet50", {"attention": "se", "stride_in": "1x1"}),
    ("seresnet50b", "resnet50", {"attention": "se"}),
    ("cbam_resnet18", "cbam_resnet18", {}),
    ("cbam_resnet50", "cbam_resnet50", {}),
    ("bam_resnet18", "bam_resnet18", {}),
    ("bam_resnet50", "bam_resnet50", {}),
    ("sknet50", "resnext50_32x4d", {"attention": "sk"}),
]


def randomise(net: nn.Module) -> nn.Module:
    """Random weights and statistics in float64, so that no normalisation is left at the identity."""
    generator = torch.Generator().manual_seed(0)
    for name, value in net.double().eval().state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2.0, generator=generator)
        elif value.is_floating_point():
            value.normal_(0.0, 0.5 if value.ndim == 1 else (2 / value[0].numel()) ** 0.5, generator=generator)
    return net


def expect_same(ours: nn.Module, theirs: nn.Module, size: tuple[int, int] = (65, 96)) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        y, expected = ours(x), theirs(x)
    assert (y - expected).abs().max() <= 1e-9 * expected.abs().max()
    assert expected.std() > 0


def expect_imported(theirs: nn.Module, library: str, name: str, options: dict) -> None:
    randomise(theirs)
    ours = models.create(name, num_classes=7, seed=0, **options).double().eval()
    ours.load_state_dict(convert_network(ours, theirs.state_dict(), library).state)
    expect_same(ours, theirs)


@pytest.mark.parametrize(
    ("library", "theirs", "name", "options"), [*SMALL, *(pytest.param(*row, marks=pytest.mark.long) for row in LARGE)]
)
def test_outputs_are_the_other_librarys(library, theirs, name, options):
    make = timm.create_model if library == "timm" else functools.partial(torchvision.models.get_model, weights=None)
    expect_imported(make(theirs, num_classes=7), library, name, options)


@pytest.mark.parametrize(
    ("theirs", "name", "options"),
    [PYTORCHCV[0], *(pytest.param(*row, marks=pytest.mark.long) for row in PYTORCHCV[1:])],
)
def test_outputs_are_pytorchcvs(theirs, name, options):
    provider = pytest.importorskip("pytorchcv.model_provider")
    net = provider.get_model(theirs, num_classes=7)
    net.features.final_pool = nn.AdaptiveAvgPool2d(1)  # theirs fits images of 224 pixels only
    expect_imported(net, "pytorchcv", name, options)


SMALL_IMAGES = [20, *(pytest.param(depth, marks=pytest.mark.long) for depth in (56, 110, 164))]


@pytest.mark.parametrize("depth", SMALL_IMAGES)
def test_outputs_for_small_images_are_pytorchcvs(depth):
    provider = pytest.importorskip("pytorchcv.model_provider")
    theirs = randomise(provider.get_model(f"seresnet{depth}{'bn' if depth == 164 else ''}_cifar10"))
    theirs.features.final_pool = nn.AdaptiveAvgPool2d(1)  # theirs fits images of 32 pixels only
    ours = models.create(f"se_resnet{depth}", num_classes=10, seed=0).double().eval()
    ours.load_state_dict(convert_network(ours, theirs.state_dict(), "pytorchcv").state)
    expect_same(ours, theirs, (32, 44))


class SELayer(nn.Module):
    """Squeeze-and-excitation as senet.pytorch has it: linear layers without bias in a sequence."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers = (nn.Linear(channels, channels // 16, bias=False), nn.ReLU())
        self.fc = nn.Sequential(*layers, nn.Linear(channels // 16, channels, bias=False), nn.Sigmoid())

    def forward(self, x):
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


def test_outputs_are_those_of_gates_without_bias():
    theirs = torchvision.models.resnet18(num_classes=7)
    for block in (*theirs.layer1, *theirs.layer2, *theirs.layer3, *theirs.layer4):
        block.se = SELayer(block.bn2.num_features)
        block.bn2.register_forward_hook(lambda _norm, _inputs, y, gate=block.se: gate(y))
    expect_imported(theirs, "moskomule", "resnet18", {"attention": "se:bias=False"})


def resattnet(width: int, modules: tuple[int, ...]) -> nn.Module:
    """pytorchcv's residual attention network with other widths and numbers of modules."""
    channels = [[width * 2**stage * 4] * (1 + number) for stage, number in enumerate(modules)]
    kinds = [[0] + [1] * number for number in modules]
    return ResAttNet([*channels, [width * 32] * 3], width, [*kinds, [0] * 3], [1, 2, 1], num_classes=7)


@pytest.mark.parametrize(
    ("name", "width", "modules"),
    [
        ("resattnet92", 8, (1, 2, 3)),
        pytest.param("resattnet56", 64, (1, 1, 1), marks=pytest.mark.long),
        pytest.param("resattnet92", 64, (1, 2, 3), marks=pytest.mark.long),
    ],
)
def test_outputs_are_those_of_pytorchcvs_attention_network(name, width, modules):
    theirs = randomise(resattnet(width, modules))
    theirs.features.final_pool = nn.AdaptiveAvgPool2d(1)
    ours = models.create(name, num_classes=7, width=width / 64, seed=0).double().eval()
    ours.load_state_dict(convert_network(ours, theirs.state_dict(), "pytorchcv").state)
    expect_same(ours, theirs, (64, 96))  # theirs fails at a size that it cannot halve
    authors = models.create(name.replace("resattnet", "attention"), num_classes=7, width=width / 64, seed=0)
    with pytest.raises(CheckpointError, match=r"attention\d\d is the authors' network, .* Name resattnet56 or"):
        convert_network(authors, theirs.state_dict(), "pytorchcv")


def test_weights_of_another_attention_network_are_refused():
    state = resattnet(8, (1, 1, 1)).state_dict()
    with pytest.raises(CheckpointError, match=r"not those of resattnet92 from pytorchcv: .*our layer2\.2\."):
        convert_network(models.create("resattnet92", num_classes=7, width=0.125), state, "pytorchcv")
    state.pop("features.stage1.unit2.hg.skip_seq.skip2.skip1.body.conv2.conv.weight")
    with pytest.raises(CheckpointError, match=r"no tensor for our layer1\.1\.attention\.skip\.0\.0\.conv2\.weight"):
        convert_network(models.create("resattnet56", num_classes=7, width=0.125), state, "pytorchcv")


@pytest.mark.parametrize(
    ("name", "called"),
    [("cbam_resnet18", "cbam"), ("eca_resnet18", "eca"), ("bam_resnet18", "bam"), ("resnest50", "conv2")],
)
def test_the_authors_names_are_read(name, called):
    """Our own state under the names of the authors' code: their class's from its layout, torchvision's for the rest."""
    ours = randomise(models.create(name, num_classes=3, width=0.25 if name == "resnest50" else 0.5, seed=0))
    theirs = {}
    sites = {site.path for site in models.describe(ours).sites}
    for path in sites:
        there = path.replace("attention", called)
        exported = export_weights(ours.get_submodule(path), "official")
        theirs |= {f"{there}.{inner}": value for inner, value in exported.items()}
    theirs |= {n: v for n, v in ours.state_dict().items() if not any(n.startswith(f"{path}.") for path in sites)}
    found = convert_network(ours, theirs, "official").state
    assert all(torch.equal(found[key], value) for key, value in ours.state_dict().items())


@pytest.fixture
def state():
    return models.create("se_resnet18", num_classes=3, width=0.125, seed=1).state_dict()


def small(**options):
    return models.create("resnet18", **{"num_classes": 3, "width": 0.125, "attention": "se", **options})


def test_the_number_of_renamed_tensors_is_told(state):
    done = convert_network(small(), {f"{n}": v for n, v in state.items()}, "timm")
    assert (done.renamed, done.attention) == (0, 8)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("layer2.0.conv1.weight"), r"no tensor for our layer2\.0\.conv1\.weight, of shape \(16, 8"),
        (
            lambda s: s.update({"layer2.0.conv1.weight": torch.ones(3, 3)}),
            r"layer2\.0\.conv1\.weight has shape \(3, 3\)",
        ),
        (
            lambda s: s.update({"layer5.0.conv1.weight": torch.ones(4)}),
            r"layer5\.0\.conv1\.weight, of shape \(4,\), has no",
        ),
        (lambda s: s.pop("layer1.1.attention.reduce.bias"), r"layer1\.1\.attention: .*no such tensor"),
        (lambda s: s.clear(), r"no tensor for our layer1\.0\.attention\.reduce\.weight"),
    ],
)
def test_the_first_unfitting_tensor_is_named(state, change, said):
    change(state)
    net = small()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(CheckpointError, match=said):
        convert_network(net, state, "timm")
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_weights_of_another_depth_are_refused(state):
    with pytest.raises(CheckpointError, match=r"not those of se_resnet34 from timm: .*layer1\.2\."):
        convert_network(models.create("resnet34", num_classes=3, width=0.125, attention="se"), state, "timm")


def test_functions_that_no_shape_shows_are_refused():
    with torch.device("meta"):
        legacy, plain = (timm.create_model(name).state_dict() for name in ("legacy_seresnet50", "seresnet50"))
    with pytest.raises(CheckpointError, match=r"pools without a border.*se_resnet50"):
        convert_network(models.outline("resnet50", attention="se"), legacy, "timm")
    with pytest.raises(CheckpointError, match=r"pools with a border.*resnet50 with attention='se'"):
        convert_network(models.outline("se_resnet50"), plain, "timm")
    strided = models.create("resnet50", attention="se", stride_in="1x1", width=0.125)
    with pytest.raises(CheckpointError, match=r"the stride in the 3x3 convolution"):
        convert_network(strided, plain, "timm")


def test_another_library_or_network_is_refused(state):
    with pytest.raises(OptionError, match="library='keras'"):
        convert_network(small(), state, "keras")
    with pytest.raises(CheckpointError, match=r"no other library.s weights are known for this network"):
        convert_network(models.create("cnn"), state, "timm")
    doubled = {**state, "layer0.conv1.weight": state["conv1.weight"]}
    with pytest.raises(
        CheckpointError, match=r"'conv1\.weight' and 'layer0\.conv1\.weight' .* both our 'conv1\.weight'"
    ):
        convert_network(small(), doubled, "timm")
