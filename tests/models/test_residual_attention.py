"""The blocks and modules of the residual attention network, held to another library's and to the authors' wiring."""

import pytest
import torch
from pytorchcv.models.resattnet import ResBlock
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import regard
from regard import attention, models
from regard.models.blocks import Style
from regard.models.residual_attention import AttentionModule, Preactivated
from tests.attention.drawn import drawn, features


@pytest.mark.parametrize(("inputs", "stride"), [(6, 1), (6, 2), (32, 2), (32, 1)])
def test_a_block_is_that_of_pytorchcv(inputs, stride):
    ours, theirs = drawn(Preactivated(inputs, 8, stride, Style())), drawn(ResBlock(inputs, 32, stride))
    for n, conv in enumerate((theirs.body.conv1, theirs.body.conv2, theirs.body.conv3), start=1):
        getattr(ours, f"bn{n}").load_state_dict(conv.bn.state_dict())
        getattr(ours, f"conv{n}").load_state_dict(conv.conv.state_dict())
    if theirs.resize_identity:
        ours.downsample.load_state_dict(theirs.identity_conv.state_dict())
    x = features(2, inputs, 7, 6)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-10, atol=1e-10)


def test_a_module_gates_what_its_backbone_makes():
    mask = attention.create("residual_mask", channels=16, poolings=1)
    module, x = drawn(AttentionModule(lambda: Preactivated(16, 4, 1, Style()), mask)), features(2, 16, 6, 5)
    with regard.observe(module) as maps:
        y = module(x)
    backbone = module.backbone(module.first(x))
    torch.testing.assert_close(y, module.last(maps.one("attention.gate").values * backbone))


class Wiring:
    """The authors' network files layer by layer, over the parameters of one of our networks."""

    def __init__(self, net):
        self.p, self.first = net.state_dict(), net.name != "attentionnext56"

    def conv(self, z, path, stride=1):
        weight = self.p[f"{path}.weight"]
        groups = z.shape[1] // weight.shape[1]
        return functional.conv2d(z, weight, None, stride, weight.shape[-1] // 2, groups=groups)

    def norm(self, z, path):
        mean, variance, weight, bias = (
            self.p[f"{path}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(z, mean, variance, weight, bias)

    def bn(self, z, path):
        return self.norm(z, path).relu()

    def unit(self, z, path, stride=1):
        norm = "norm" if f"{path}.norm1.weight" in self.p else "bn"
        strides, y = (1, stride, 1), z
        for n in (1, 2, 3):
            y = self.bn(y, f"{path}.{norm}{n}") if self.first else y
            y = self.conv(y, f"{path}.conv{n}", strides[n - 1])
            y = y if self.first else self.norm(y, f"{path}.{norm}{n}")
            y = y if self.first or n == 3 else y.relu()
        if self.first:
            before = self.bn(z, f"{path}.{norm}1")
            return y + (self.conv(before, f"{path}.downsample", stride) if f"{path}.downsample.weight" in self.p else z)
        if f"{path}.downsample.0.weight" in self.p:
            z = self.norm(self.conv(z, f"{path}.downsample.0", stride), f"{path}.downsample.1")
        return (y + z).relu()

    def pool(self, z):
        return functional.max_pool2d(z, 3, 2, ceil_mode=True)

    def interp(self, z, reference):
        return functional.interpolate(z, reference.shape[2:], mode="bilinear", align_corners=True)

    def mask(self, z, path, poolings):
        downs = []
        for n in range(poolings):
            downs.append(self.unit(self.pool(downs[-1] if downs else z), f"{path}.down.{n}.0"))
        up = self.unit(downs[-1], f"{path}.bottom.0")
        for n in reversed(range(poolings - 1)):
            up = self.unit(downs[n], f"{path}.skip.{n}.0") + self.interp(up, downs[n])
            up = self.unit(up, f"{path}.up.{n}.0")
        up = self.interp(up, z)
        up = self.conv(self.bn(up, f"{path}.norm1") if self.first else up, f"{path}.score1")
        return self.conv(self.bn(up, f"{path}.norm2"), f"{path}.score2").sigmoid()

    def module(self, z, path, poolings):
        res1 = self.unit(z, f"{path}.first")
        res3 = self.unit(self.unit(res1, f"{path}.backbone.0"), f"{path}.backbone.1")
        return self.unit(res3 * self.mask(res1, f"{path}.attention", poolings) + res3, f"{path}.last")

    def __call__(self, x, modules):
        z = self.pool(self.bn(self.conv(x, "conv1", 2), "bn1"))
        for stage, number in enumerate(modules, start=1):
            z = self.unit(z, f"layer{stage}.0", 1 if stage == 1 else 2)
            for n in range(number):
                z = self.module(z, f"layer{stage}.{n + 1}", 4 - stage)
        z = self.unit(self.unit(self.unit(z, "layer4.0", 2), "layer4.1"), "layer4.2")
        z = self.bn(z, "norm.0") if self.first else z
        return functional.linear(z.mean((2, 3)), self.p["fc.weight"], self.p["fc.bias"])


@pytest.mark.parametrize(
    ("name", "modules"), [("attention56", (1, 1, 1)), ("attention92", (1, 2, 3)), ("attentionnext56", (1, 1, 1))]
)
def test_a_network_is_the_authors_file(name, modules):
    """At sizes that their pooling halves exactly, as 224 is; a narrow network of the same wiring."""
    net, x = drawn(models.create(name, num_classes=5, width=0.125)), features(2, 3, 64, 96)
    with torch.no_grad():
        y, expected = net(x), Wiring(net)(x, modules)
    assert (y - expected).abs().max() <= 1e-9 * expected.abs().max()


COUNTS = {"attention56": 31_810_728, "attention92": 52_466_344, "attentionnext56": 31_318_824}
"""Computed from the authors' network files."""

GIGA = {"attention56": 6.271, "attention92": 10.534, "attentionnext56": 6.419}
"""Multiply-adds of their convolutions and linear layers for 224 x 224 pixels, in units of 10^9."""


@pytest.mark.parametrize("name", [*COUNTS, "resattnet56", "resattnet92"])
def test_parameters_are_those_of_the_authors_files(name):
    found = sum(parameter.numel() for parameter in models.outline(name).parameters())
    assert found == COUNTS[name.replace("resattnet", "attention")] == models.PUBLISHED[name].size[0]


@pytest.mark.parametrize(
    "name", ["attention56", pytest.param("attention92", marks=pytest.mark.long), "attentionnext56"]
)
def test_multiply_adds_are_those_of_the_authors_files(name):
    """Interpolation, a matrix product here, is in no published figure."""
    with FlopCounterMode(display=False) as counter:
        models.outline(name).eval()(torch.zeros(1, 3, 224, 224, device="meta"))
    counts = {operator.__name__: flops // 2 for operator, flops in counter.get_flop_counts()["Global"].items()}
    layers = counts["convolution"] + counts["addmm"]
    assert layers / 1e9 == pytest.approx(GIGA[name], rel=1e-4)
    macs = models.PUBLISHED[name].size[1]
    assert sum(counts.values()) == macs
    assert f"count {(macs - layers) / 1e9:.3f} G of interpolation" in models.PUBLISHED[name].note


@pytest.mark.parametrize("name", ["attention56", "attentionnext56", "resattnet56"])
def test_any_size_channels_and_classes(name):
    net = models.create(name, num_classes=3, in_channels=2, width=0.125).eval()
    for size in ((32, 32), (33, 65), (100, 47)):
        y = net(torch.randn(2, 2, *size))
        assert y.shape == (2, 3)
        assert y.isfinite().all()


def test_training_reaches_every_parameter():
    net = models.create("attention92", num_classes=5, in_channels=1, width=0.125, seed=0)
    net(torch.randn(2, 1, 40, 40)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in net.parameters())


@pytest.mark.long
def test_a_captured_graph_takes_other_sizes():
    net = models.create("resattnet56", num_classes=3, width=0.0625, seed=0).eval()
    net.layer2, net.layer3 = net.layer2[:1], net.layer3[:1]
    sizes = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    program = torch.export.export(net, (torch.randn(2, 3, 96, 80),), dynamic_shapes=(sizes,)).module()
    x = torch.randn(3, 3, 131, 71)
    torch.testing.assert_close(program(x), net(x))
