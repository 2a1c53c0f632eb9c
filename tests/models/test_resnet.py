"""The residual network: outside references, every size, and what PyTorch does to a network."""

import copy
import functools
import io
import pickle

import pytest
import timm
import torch
import torchvision
from torch import nn

from regard import CATALOGUE, CONTROLS, models
from regard.core import ShapeError
from regard.explanation import observe

MECHANISMS = [mechanism.facts.name for mechanism in (*CATALOGUE, *CONTROLS)]
INSERTED = [None, "se", "bam", "sk", "dynamic_conv", "mil_pool"]


def randomise(net: nn.Module) -> None:
    """Random weights and statistics, so that no normalisation is left at the identity."""
    generator = torch.Generator().manual_seed(0)
    for name, value in net.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2.0, generator=generator)
        elif value.is_floating_point():
            value.normal_(0.0, 1.0 if value.ndim == 1 else (2 / value[0].numel()) ** 0.5, generator=generator)


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101"])
def test_the_plain_networks_are_torchvisions(name):
    theirs = torchvision.models.get_model(name, weights=None, num_classes=7)
    randomise(theirs)
    ours = models.create(name, num_classes=7)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(2, 3, 41, 64)
    for training in (False, True):
        ours.train(training), theirs.train(training)
        expected = theirs(x)
        assert torch.allclose(ours(x), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def rename(state: dict[str, torch.Tensor], names: dict[str, str]) -> dict[str, torch.Tensor]:
    """Another library's state under our names; its 1x1 convolutions of gates are our linear layers."""
    ours = {}
    for key, value in state.items():
        for old, new in names.items():
            key = key.replace(old, new)
        ours[key] = value.flatten(1) if ".attention." in key and value.ndim == 4 else value
    return ours


def agree(ours: nn.Module, theirs: nn.Module, names: dict[str, str]) -> bool:
    randomise(theirs)
    ours.load_state_dict(rename(theirs.state_dict(), names), strict=True)
    x = torch.randn(2, 3, 65, 96)
    y, expected = ours.eval()(x), theirs.eval()(x)
    return torch.allclose(y, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def test_caffe_se_resnet50_equals_another_librarys():
    theirs = timm.create_model("legacy_seresnet50", num_classes=7)
    ours = models.create("se_resnet50", num_classes=7)
    names = {"se_module.fc1": "attention.reduce", "se_module.fc2": "attention.expand"}
    assert agree(ours, theirs, {"layer0.": "", "last_linear": "fc", **names})


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_se_networks_are_another_librarys_without_its_rounding(name):
    gate = functools.partial(timm.layers.SqueezeExcite, rd_divisor=1)
    theirs = timm.create_model(name, num_classes=7, block_args={"attn_layer": gate})
    ours = models.create(name, attention="se", num_classes=7)
    assert agree(ours, theirs, {".se.fc1": ".attention.reduce", ".se.fc2": ".attention.expand"})


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_eca_networks_are_another_librarys(name):
    theirs = timm.create_model(name, num_classes=7, block_args={"attn_layer": "eca"})
    assert agree(models.create(name, attention="eca", num_classes=7), theirs, {".se.conv": ".attention.conv"})


@pytest.mark.parametrize("size", [(1, 1), (17, 23), (28, 28), (33, 2)])
@pytest.mark.parametrize("name", ["resnet8", "resnet20", "resnet18", "resnet50"])
def test_any_size_and_channel_count(name, size):
    for channels, options in ((1, {}), (5, {"shortcut": "pad"})):
        net = models.create(name, num_classes=3, in_channels=channels, width=0.125, **options)
        assert net(torch.randn(2, channels, *size)).shape == (2, 3)
        assert net.eval()(torch.randn(1, channels, *size)).isfinite().all()


@pytest.mark.parametrize("name", ["resnet8", "resnet18", "resnet50"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_mechanism_trains_in_its_place(name, mechanism):
    net = models.create(name, attention=mechanism, num_classes=3, in_channels=2, width=0.25, seed=0)
    for size in ((17, 23), (1, 1)):
        loss = nn.functional.cross_entropy(net(torch.randn(2, 2, *size)), torch.tensor([0, 2]))
        net.zero_grad()
        loss.backward()
        assert all(parameter.grad is not None for parameter in net.parameters())
        assert all(parameter.grad.isfinite().all() for parameter in net.parameters())


@pytest.mark.parametrize("shortcut", ["projection", "pad"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_channels_last_is_kept(mechanism, shortcut):
    net = models.create(f"{mechanism}_resnet8", num_classes=3, shortcut=shortcut, seed=0).eval()
    x = torch.randn(2, 3, 12, 10)
    expected = net(x)
    net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    seen = []
    for name in net.order:
        getattr(net, name).register_forward_hook(
            lambda module, inputs, y: seen.append(y.is_contiguous(memory_format=torch.channels_last))
        )
    assert torch.allclose(net(x), expected, atol=1e-4)
    assert seen
    assert all(seen)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_copies_and_pickles_compute_the_same(mechanism):
    net = models.create(f"{mechanism}_resnet8", num_classes=3, seed=0).eval()
    x = torch.randn(2, 3, 9, 9)
    for other in (copy.deepcopy(net), pickle.load(io.BytesIO(pickle.dumps(net)))):
        assert torch.equal(other(x), net(x))


@pytest.mark.parametrize("mechanism", INSERTED)
def test_compiles_as_one_graph(mechanism):
    net = models.create("resnet8", attention=mechanism, num_classes=3, width=0.5, seed=0)
    torch._dynamo.reset()
    compiled = torch.compile(copy.deepcopy(net), backend="aot_eager", fullgraph=True)
    x = torch.randn(4, 3, 12, 10)
    expected, y = net(x), compiled(x)
    assert torch.allclose(y, expected, atol=1e-5)
    expected.sum().backward(), y.sum().backward()
    grads = zip(net.parameters(), compiled.parameters(), strict=True)
    assert all(torch.allclose(one.grad, two.grad, rtol=1e-3, atol=1e-4) for one, two in grads)


@pytest.mark.parametrize("mechanism", INSERTED)
def test_exports_with_dynamic_batch_and_size(mechanism):
    net = models.create("resnet8", attention=mechanism, num_classes=3, width=0.5, seed=0).eval()
    dynamic = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    exported = torch.export.export(net, (torch.randn(2, 3, 12, 10),), dynamic_shapes=(dynamic,)).module()
    for shape in ((3, 3, 17, 23), (5, 3, 32, 8)):
        x = torch.randn(shape)
        assert torch.allclose(exported(x), net(x), atol=1e-5)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (torch.zeros(2, 1, 8, 8), r"\(2, 1, 8, 8\).*\(b, 3, h, w\).*in_channels"),
        (torch.zeros(3, 8, 8), r"\(3, 8, 8\)"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "torch.uint8.*floating-point"),
    ],
)
def test_other_images_are_refused(x, said):
    with pytest.raises(ShapeError, match=said):
        models.create("resnet8")(x)


def test_a_pooling_without_border_needs_three_pixels():
    net = models.create("legacy_seresnet18", num_classes=3, width=0.125).eval()
    assert net(torch.randn(1, 3, 3, 40)).shape == (1, 3)
    with pytest.raises(ShapeError, match=r"image of 2x40 is too small.*at least 3x3"):
        net(torch.randn(1, 3, 2, 40))


@pytest.mark.parametrize(("name", "largest"), [("resnet8", 4), ("resnet18", 32)])
def test_training_on_one_tiny_image_is_refused(name, largest):
    net = models.create(name, num_classes=3, width=0.25)
    with pytest.raises(ShapeError, match=f"{name}: a single image of {largest}x{largest}.*batches of two"):
        net(torch.randn(1, 3, largest, largest))
    assert net(torch.randn(1, 3, largest, largest + 1)).isfinite().all()
    assert net(torch.randn(2, 3, largest, largest)).isfinite().all()
    assert net.eval()(torch.randn(1, 3, largest, largest)).isfinite().all()


def test_a_head_mechanism_replaces_the_mean_pooling():
    net = models.create("mil_pool_resnet8", num_classes=5, in_channels=1).eval()
    assert not any(isinstance(module, nn.AdaptiveAvgPool2d) for module in net.modules())
    x, seen = torch.randn(2, 1, 20, 28), []
    with observe(net) as maps:
        y = net(x)
    attn = maps.one(next(iter(maps))).values
    assert attn.shape == (2, 1, 5, 7)
    torch.testing.assert_close(attn.sum((2, 3)), torch.ones(2, 1))
    net.fc.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    torch.testing.assert_close(net(x), y)
    features = []
    net.layer3.register_forward_hook(lambda _module, _inputs, output: features.append(output))
    net(x)
    torch.testing.assert_close(seen[0], (features[0] * attn).sum((2, 3)))


def test_a_head_may_give_another_width():
    net = models.create("resnet8", num_classes=5, attention="attention_pool:out_channels=6").eval()
    assert net.fc.in_features == 6
    assert net(torch.randn(2, 3, 20, 28)).shape == (2, 5)
