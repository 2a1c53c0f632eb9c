import copy
import dataclasses
import pickle
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from regard.attention import layers
from regard.attention.channel.se import SE
from regard.attention.layers import (
    CONVOLUTIONS,
    Conv1d,
    Conv2d,
    Conv3d,
    GroupedLinear,
    Linear,
    Norm,
    Pointwise1d,
    Rescaling,
    bottleneck,
    convolution,
    group_count,
    hidden_width,
    in_dtype_of,
    masked_softmax,
    over_positions,
)
from regard.core import OptionError, ShapeError, Tap
from regard.kernels import squeeze_positions
from regard.testing import allowed_difference
from tests.attention.drawn import drawn, features
from tests.attention.formulas import batch_statistics, normalise

LAYERS = {
    "linear": lambda: Linear(4, 4),
    "grouped linear": lambda: GroupedLinear(4, 4, 1),
    "convolution": lambda: Conv1d(4, 4, 1),
    "norm": lambda: Norm(4),
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("own", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("given", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_layer_computes_in_its_own_dtype(layer, own, given):
    made, x = LAYERS[layer]().to(own), torch.randn(3, 4, 1 if layer == "convolution" else 4).to(given)
    assert made(x).dtype == own
    assert torch.equal(made.eval()(x), made(x.to(own)))
    if layer != "norm":
        assert made.logits(x).dtype == (torch.float64 if own == torch.float64 else torch.float32)


@pytest.mark.parametrize("layer", LAYERS)
def test_autocast_keeps_half_precision_inputs(layer):
    made, x = LAYERS[layer](), torch.randn(3, 4, 1 if layer == "convolution" else 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        assert made(x).dtype == torch.bfloat16
        assert in_dtype_of(made.weight, x) is x
    assert in_dtype_of(made.weight, x).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_normalisers_compute_in_at_least_float32(dtype):
    logits = torch.randn(2, 5).to(dtype)
    wide = logits.to(torch.float64 if dtype == torch.float64 else torch.float32)
    assert torch.equal(layers.sigmoid(logits), torch.sigmoid(wide))
    assert torch.equal(layers.softmax(logits, 1), torch.softmax(wide, 1))
    torch.testing.assert_close(layers.hard_sigmoid(logits), (wide + 3).clamp(0, 6) / 6)


class Halved(Rescaling):
    """A gate of 1/2 for every channel."""

    facts = dataclasses.replace(SE.facts, name="halved")

    def __init__(self, channels, *, neutral=1.0, start="paper"):
        super().__init__(channels, start=start)
        self.gate = Tap("gate", neutral=neutral)

    def forward(self, x):
        squeezed = squeeze_positions(x, "mean")
        return self.rescale(squeezed, self.gate, torch.full_like(squeezed[0], 0.5))


def test_a_masked_softmax_ignores_masked_positions():
    logits = torch.randn(3, 6, dtype=torch.float64)
    logits[0, 4] = torch.nan
    logits.requires_grad_()
    mask = torch.arange(6) < torch.tensor([[4], [6], [0]])
    shares = masked_softmax(logits, mask, 1)
    torch.testing.assert_close(shares[0, :4], logits[0, :4].softmax(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(shares[1], logits[1].softmax(0), rtol=1e-12, atol=1e-12)
    assert not shares[0, 4:].any()
    assert not shares[2].any()
    shares.square().sum().backward()
    assert not logits.grad[~mask].any()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("neutral", [1.0, 0.5, 0.0])
def test_a_gate_goes_from_neutral_past_the_tap(neutral):
    module, x, seen = Halved(4, neutral=neutral, start="identity"), torch.randn(2, 4, 3), []
    module.gate.sink = seen.append
    assert torch.equal(module(x), x * neutral)
    nn.init.ones_(module.strength)
    assert torch.equal(module(x), x / 2)
    assert [tuple(gate.shape) for gate in seen] == [(2, 4, 1)] * 2
    assert seen[0].flatten().tolist() == [neutral] * 8


def test_features_and_squeezed_features_are_rescaled_alike():
    module, x = Halved(4), torch.randn(2, 4, 3, 5)
    gate = torch.rand(2, 4, 1, 1)
    assert torch.equal(module.rescale(x, module.gate, gate), module.rescale(squeeze_positions(x), module.gate, gate))
    assert torch.equal(module.rescale(x, module.gate, gate.flatten(1)), x * gate)


def test_there_is_one_for_each_number_of_axes():
    assert [convolution("sk", d) for d in (1, 2, 3)] == [Conv1d, Conv2d, Conv3d]


LAST = {2: torch.channels_last, 3: torch.channels_last_3d}
SMALL = {
    "a kernel larger than the features": (3, (2, 4, 2, 1, 3), {"kernel_size": 3, "padding": 1}),
    "a stride larger than the features, one axis": (1, (1, 20, 3), {"kernel_size": 3, "padding": 1, "stride": 5}),
    "a stride larger than the features, two axes": (2, (1, 4, 3, 3), {"kernel_size": 5, "padding": 2, "stride": 7}),
}


@pytest.mark.parametrize("small", SMALL)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("autocast", [False, True])
def test_a_half_has_every_gradient(small, dtype, groups, autocast):
    """PyTorch's own layer leaves some of it unwritten; memory full of NaN, given back just before, shows that."""
    torch.manual_seed(0)
    dims, size, options = SMALL[small]
    kind, width = CONVOLUTIONS[dims], size[1]
    exact = kind(width, width, **options, groups=groups).to(dtype).double()
    x = torch.randn(size).to(dtype)
    y = exact(x.double())
    upstream = torch.randn(y.shape).to(dtype)
    y.backward(upstream.double())
    for _ in range(20):
        layer = kind(width, width, **options, groups=groups)
        layer.load_state_dict(exact.state_dict())
        layer = layer if autocast else layer.to(dtype)
        given = x.float() if autocast else x
        junk = [torch.full((n,), torch.nan) for n in (16, 64, 128, 256, 512, 1024, 4096)]
        del junk
        with torch.autocast("cpu", dtype, enabled=autocast):
            y = layer(given if dims == 1 else given.contiguous(memory_format=LAST[dims]))
        y.backward(upstream.to(y.dtype))
        for ours, theirs in zip(layer.parameters(), exact.parameters(), strict=True):
            allowed = allowed_difference(dtype, x.numel()) * float(theirs.grad.abs().max())
            assert float((ours.grad.double() - theirs.grad).abs().max()) <= allowed


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(("dims", "size"), [(1, (40,)), (2, (3, 40))])
def test_a_long_depthwise_kernel_in_float16_ends(dims, size, autocast):
    x = torch.randn(2, 4, *size).half()
    exact = CONVOLUTIONS[dims](4, 4, (1,) * (dims - 1) + (21,), padding="same", groups=4).half().double()
    layer = copy.deepcopy(exact).to(torch.float32 if autocast else torch.float16)
    with torch.no_grad(), torch.autocast("cpu", torch.float16, enabled=autocast):
        y = layer(x.float() if autocast else x)
    torch.testing.assert_close(y.double(), exact(x.double()), rtol=0, atol=1e-2)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_it_is_pytorchs_layer_in_float32(dims, stride):
    torch.manual_seed(0)
    ours = CONVOLUTIONS[dims](4, 6, 3, stride=stride, padding=1, groups=2)
    theirs = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1](4, 6, 3, stride=stride, padding=1, groups=2)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 4, 5, 4, 3)[(..., *[0] * (3 - dims))]
    assert torch.equal(ours(x), theirs(x))


def test_another_number_is_refused_in_the_owners_name():
    with pytest.raises(OptionError, match="sk: dims=4 is not allowed; choose one of 1, 2, 3"):
        convolution("sk", 4)


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (2, 3, 5, 4), (2, 3, 2, 3, 4), (1, 3, 1, 2)])
def test_it_normalises_by_batch_then_running_statistics(shape):
    norm, x = drawn(Norm(3, momentum=0.2)), features(*shape)
    mean, variance = norm.running_mean.numpy().copy(), norm.running_var.numpy().copy()
    weight, bias = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    np.testing.assert_allclose(norm(x).detach(), normalise(x.numpy(), mean, variance, weight, bias), rtol=1e-11)
    seen, spread = batch_statistics(x.numpy())
    expected = normalise(x.numpy(), seen, spread, weight, bias)
    np.testing.assert_allclose(norm.train()(x).detach(), expected, rtol=1e-9)
    np.testing.assert_allclose(norm.running_mean, 0.8 * mean + 0.2 * seen)
    n = x.numel() // 3
    np.testing.assert_allclose(norm.running_var, 0.8 * variance + 0.2 * spread * n / (n - 1))


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1), (1, 3, 1, 1)])
def test_a_single_value_warns_once(shape):
    norm = drawn(Norm(3))
    x = features(*shape)
    expected, before = norm(x), copy.deepcopy(norm.state_dict())
    norm.train()
    with pytest.warns(UserWarning, match="3 channels saw one value per channel"):
        assert torch.equal(norm(x), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        norm(x)
    assert all(torch.equal(values, before[name]) for name, values in norm.state_dict().items())
    norm(x).sum().backward()
    assert norm.weight.grad is not None


def test_strict_refuses_a_single_value_and_nothing_else():
    norm = Norm(3, strict=True)
    with pytest.raises(ShapeError, match="train with batches of two or more"):
        norm(torch.randn(1, 3))
    norm(torch.randn(2, 3))
    norm.eval()(torch.randn(1, 3))


def test_it_is_a_batch_normalisation_to_others():
    assert isinstance(Norm(3), nn.modules.batchnorm._BatchNorm)
    with pytest.raises(ShapeError, match="input has shape"):
        Norm(3)(torch.randn(3))


def test_copies_and_pickles_work():
    norm = drawn(Norm(3, strict=True))
    for copied in (copy.deepcopy(norm), pickle.loads(pickle.dumps(norm))):
        assert copied.strict
        assert torch.equal(copied(torch.ones(2, 3).double()), norm(torch.ones(2, 3).double()))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("size", [(2, 4), (1, 3), (2, 3, 2)])
def test_gradients_are_right_in_any_layout(training, batch, size):
    norm = drawn(Norm(3)).train(training)
    x, upstream = features(batch, 3, *size), features(batch, 3, *size, seed=2)
    layouts = {
        "plain": torch.Tensor.contiguous,
        "tokens": lambda t: t.flatten(2).transpose(1, 2).contiguous().transpose(1, 2).reshape(t.shape),
    }
    gradients = []
    for of_x in layouts.values():
        for of_gradient in layouts.values():
            given = of_x(x).detach().requires_grad_()
            norm(given).backward(of_gradient(upstream))
            gradients.append(given.grad)
    for gradient in gradients[1:]:
        torch.testing.assert_close(gradient, gradients[0], rtol=1e-11, atol=1e-12)
    assert torch.autograd.gradcheck(norm, (layouts["tokens"](x).detach().requires_grad_(),))


def test_the_hidden_width_is_never_under_one():
    assert [layer.weight.shape for layer in bottleneck("se", 3, 16, True)] == [(1, 3), (3, 1)]
    with pytest.raises(OptionError, match="se: reduction=0 is not allowed"):
        bottleneck("se", 3, 0, True)
    with pytest.raises(OptionError, match="se: bias=1 is not allowed"):
        bottleneck("se", 3, 16, 1)


def test_values_get_an_axis_for_every_position_axis():
    assert over_positions(torch.zeros(2, 8), torch.zeros(2, 8, 3, 4, 5)).shape == (2, 8, 1, 1, 1)
    assert np.shape(over_positions(torch.zeros(2, 8), torch.zeros(2, 8, 3))) == (2, 8, 1)


def test_a_hidden_width_is_never_zero():
    assert [hidden_width("se", c, 16) for c in (1, 15, 16, 31, 32, 2048)] == [1, 1, 1, 1, 2, 128]


def test_a_default_number_of_groups_divides_all_channels():
    for channels in range(1, 200):
        groups = group_count("sk", None, 32, channels, 2 * channels)
        assert channels % groups == 0
        assert 32 % groups == 0
        assert all(channels % more or 32 % more for more in range(groups + 1, 33))


def test_an_explicit_number_of_groups_must_divide():
    assert group_count("sk", 12, 32, 24, 36) == 12
    with pytest.raises(OptionError, match=r"sk: groups=5 is not allowed; it must divide the channels, 24 and 36"):
        group_count("sk", 5, 32, 24, 36)
    with pytest.raises(OptionError, match="groups=0"):
        group_count("sk", 0, 32, 24)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_grouped_linear_layer_is_a_convolution(groups):
    layer, x = drawn(GroupedLinear(6, 4, groups)), torch.randn(3, 6, dtype=torch.float64)
    expected = nn.functional.conv1d(x.unsqueeze(2), layer.weight, layer.bias, groups=groups).squeeze(2)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("bias", [True, False])
def test_a_pointwise_layer_is_pytorchs(bias):
    layer, theirs, x = Pointwise1d(4, 6, bias=bias).double(), nn.Conv1d(4, 6, 1, bias=bias).double(), features(2, 4, 5)
    theirs.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x), theirs(x))
    assert layer(x).stride() == (30, 1, 6)
    assert layer.float()(x.half()).dtype == torch.float32
