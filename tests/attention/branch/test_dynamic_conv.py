import math

import numpy as np
import pytest
import torch
from timm.layers import CondConv2d

from regard.attention.branch.dynamic_conv import DynamicConv
from regard.core.errors import OptionError
from tests.attention.drawn import PLAIN_RESNET, arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import affine, convolve, positions_mean, relu, softmax


def formula(x, p, *, temperature=30.0, stride=1, groups=1):
    """The paper's perceptron: the kernels mixed by a softmax with a temperature, then one convolution."""
    hidden = relu(affine(p["reduce.weight"], positions_mean(x), p["reduce.bias"]))
    shares = softmax(affine(p["expand.weight"], hidden, p["expand.bias"]) / temperature, 1)
    kernels = [p[f"kernels.{i}.weight"] for i in range(shares.shape[1])]
    biases = [p[f"kernels.{i}.bias"] for i in range(shares.shape[1])] if "kernels.0.bias" in p else None
    y = []
    for image, share in zip(x, shares, strict=True):
        kernel = sum(a * k for a, k in zip(share, kernels, strict=True))
        bias = None if biases is None else sum(a * d for a, d in zip(share, biases, strict=True))
        size = kernel.shape[-1]
        y.append(convolve(image[None], kernel, bias, stride=stride, padding=size // 2, groups=groups))
    return np.concatenate(y)


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_papers_formula(shape, bias):
    module = drawn(DynamicConv(6, bias=bias, reduction=2, temperature=2.0, dims=len(shape) - 2))
    x = features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), temperature=2.0), rtol=1e-10)


@pytest.mark.parametrize("size", [(7, 5), (8, 6), (1, 1)])
def test_it_may_change_channels_and_size(size):
    module = drawn(DynamicConv(6, out_channels=9, stride=2, groups=3, kernel_size=5, kernels=3))
    x = features(2, 6, *size)
    y = module(x)
    assert y.shape == (2, 9, *(math.ceil(n / 2) for n in size))
    assert_equal(y, formula(x.numpy(), arrays(module), stride=2, groups=3), rtol=1e-10)


def test_a_case_computed_by_hand():
    module = DynamicConv(1, kernel_size=1, kernels=2, temperature=2.0, dims=1)
    with torch.no_grad():
        module.reduce.weight.fill_(1.0)
        module.reduce.bias.fill_(0.0)
        module.expand.weight.copy_(torch.tensor([[2 * math.log(3)], [0.0]]))
        module.expand.bias.fill_(0.0)
        module.kernels[0].weight.fill_(4.0)
        module.kernels[1].weight.fill_(8.0)
    # The mean is 1, the logits over the temperature are log 3 and 0, the shares 3/4 and 1/4, the kernel 3 + 2.
    torch.testing.assert_close(module(torch.tensor([[[0.0, 2.0]]])), torch.tensor([[[0.0, 10.0]]]))


@pytest.mark.parametrize(("stride", "groups", "bias"), [(1, 1, True), (2, 2, False)])
def test_timm_with_the_same_shares_agrees(stride, groups, bias):
    module = drawn(DynamicConv(8, out_channels=6, stride=stride, groups=groups, bias=bias, temperature=1.0))
    theirs = CondConv2d(8, 6, 3, stride=stride, padding=1, groups=groups, bias=bias).double()
    parts = ("weight", "bias") if bias else ("weight",)
    state = {part: torch.stack([getattr(kernel, part).flatten() for kernel in module.kernels]) for part in parts}
    theirs.load_state_dict(state)
    x, seen = features(3, 8, 7, 5).requires_grad_(), []
    module.select.sink = seen.append
    module.select.replace = torch.Tensor.detach
    ours = module(x)
    other = theirs(x, seen[0].flatten(1))
    torch.testing.assert_close(ours, other, rtol=1e-11, atol=1e-12)
    gradients = (torch.autograd.grad(y.square().sum(), x)[0] for y in (ours, other))
    torch.testing.assert_close(*gradients, rtol=1e-11, atol=1e-11)


def resnet18(*, without_classifier=PLAIN_RESNET[18]):
    """The parameters of a ResNet-18 all of whose convolutions but the first are dynamic."""
    total = without_classifier
    inputs = 64
    for width in (64, 128, 256, 512):
        shapes = [(inputs, width, 3), *[(width, width, 3)] * 3] + ([(inputs, width, 1)] if inputs != width else [])
        for before, after, size in shapes:
            total += count(DynamicConv(before, out_channels=after, kernel_size=size)) - before * after * size**2
        inputs = width
    return total


def test_count_of_a_published_network():
    # Table 2 of the paper on omni-dimensional dynamic convolution: ResNet-18 with four kernels has 45.47M parameters.
    assert round(resnet18() / 1e6, 2) == 45.47


def test_parameters_stand_in_the_order_of_the_formula():
    kernels = [f"kernels.{i}.{part}" for i in range(4) for part in ("weight", "bias")]
    assert names(DynamicConv(8, bias=True)) == [
        *("reduce.weight", "reduce.bias", "expand.weight", "expand.bias"),
        *kernels,
    ]
    assert DynamicConv(8, groups=2).kernels[0].weight.shape == (8, 4, 3, 3)
    assert DynamicConv(64).reduce.out_features == 16


def test_a_high_temperature_shares_evenly():
    module, x, seen = drawn(DynamicConv(6, temperature=1e6)), features(2, 6, 4, 4), []
    module.select.sink = seen.append
    module(x)
    torch.testing.assert_close(seen[0], torch.full((2, 4, 1, 1, 1), 0.25, dtype=torch.float64), rtol=1e-4, atol=0)
    module.temperature = 1.0
    module(x)
    assert seen[1].std() > 10 * seen[0].std()
    torch.testing.assert_close(seen[1].sum(1), torch.ones(2, 1, 1, 1, dtype=torch.float64))


def test_it_starts_as_a_convolution_does():
    torch.manual_seed(0)
    module = DynamicConv(256, bias=True)
    for kernel in module.kernels:
        assert kernel.weight.std().item() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.01)
        assert not kernel.bias.any()


def test_it_works_in_channels_last():
    module, x = DynamicConv(8), torch.randn(2, 8, 5, 4)
    y = module(x)
    last = torch.channels_last
    torch.testing.assert_close(module.to(memory_format=last)(x.to(memory_format=last)), y)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"groups": 3}, r"dynamic_conv: groups=3 is not allowed; it must divide the channels, 8 \(try 1\)"),
        ({"groups": 0}, "dynamic_conv: groups=0 is not allowed; it must be an integer of at least 1"),
        ({"kernels": 1}, "dynamic_conv: kernels=1 is not allowed; it must be an integer of at least 2"),
        ({"kernel_size": 4}, "dynamic_conv: kernel_size=4 is not allowed; it must be odd"),
        ({"stride": 0}, "dynamic_conv: stride=0 is not allowed"),
        ({"out_channels": 0}, "dynamic_conv: out_channels=0 is not allowed"),
        ({"reduction": 0}, "dynamic_conv: reduction=0 is not allowed"),
        ({"temperature": 0}, "dynamic_conv: temperature=0 is not allowed; it must be a number above 0"),
        ({"bias": 1}, "dynamic_conv: bias=1 is not allowed; it must be True or False"),
        ({"dims": "2"}, "dynamic_conv: dims='2' is not allowed; choose one of 1, 2, 3"),
        ({"start": "identity", "stride": 2}, "start='identity' is not allowed with"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        DynamicConv(8, **options)
