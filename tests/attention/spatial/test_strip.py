import numpy as np
import pytest
import torch
from timm.layers import create_attn

from regard.attention.exchange import export_weights, import_weights
from regard.attention.spatial.strip import Strip
from regard.core.errors import OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import convolve, normalise, relu, sigmoid


def profile(x, axis):
    """(b, c, n): the mean of every slice across the axis."""
    return np.stack(
        [x.take(index, axis + 2).reshape(*x.shape[:2], -1).mean(2) for index in range(x.shape[axis + 2])], 2
    )


def strip_logits(x, p, axis, form):
    z, bias = profile(x, axis), p.get(f"profiles.{axis}.bias")
    if form != "plain":
        weight = p[f"profiles.{axis}.weight"]
        z = convolve(z, weight, bias, padding=weight.shape[2] // 2, groups=1 if form == "full" else x.shape[1])
    if form == "full":
        stored = (p[f"norms.{axis}.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
        z = normalise(z, *stored)
    return z.reshape(*z.shape[:2], *(-1 if a == axis else 1 for a in range(x.ndim - 2)))


def formula(x, p, form):
    """Equations 3 to 6 of the paper; the other forms end with the sum of the profiles."""
    z = sum(strip_logits(x, p, axis, form) for axis in range(x.ndim - 2)) + 0 * x
    return x * sigmoid(convolve(relu(z), p["mix.weight"], p["mix.bias"]) if form == "full" else z)


@pytest.mark.parametrize("shape", [(2, 3, 7, 5), (1, 3, 1, 1), (2, 3, 1, 6), (1, 3, 2, 4, 3)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bias": True},
        {"kernel_size": 5},
        {"form": "depthwise"},
        {"form": "depthwise", "bias": True},
        {"form": "plain"},
    ],
)
def test_it_is_the_papers_formula(shape, options):
    module, x = drawn(Strip(3, dims=len(shape) - 2, **options)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), options.get("form", "full")))


def test_a_case_computed_by_hand():
    x = torch.tensor([[[[1.0, 3.0], [-3.0, -1.0]]]])
    # The rows' means are 2 and -2, the columns' -1 and 1: logits 1, 3, -3, -1.
    want = x.flatten() / (1 + torch.exp(-torch.tensor([1.0, 3.0, -3.0, -1.0])))
    torch.testing.assert_close(Strip(1, form="plain")(x).flatten(), want)


@pytest.mark.parametrize("options", [{}, {"kernel_size": 5}, {"bias": True}])
def test_timm_agrees_and_exchanges_weights(options):
    module, again = drawn(Strip(6, form="depthwise", **options)), Strip(6, form="depthwise", **options).double()
    theirs = create_attn("strip", 6, **options).double()
    theirs.load_state_dict(export_weights(module, "timm"))
    x, y = features(2, 6, 7, 5).requires_grad_(), features(2, 6, 7, 5).requires_grad_()
    torch.testing.assert_close(module(x), theirs(y), rtol=1e-11, atol=1e-12)
    module(x).square().sum().backward()
    theirs(y).square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-11, atol=1e-12)
    import_weights(again, theirs.state_dict(), "timm")
    assert torch.equal(again(x), module(x))


def test_timm_without_convolutions_is_the_plain_form():
    x = features(2, 6, 7, 5)
    torch.testing.assert_close(Strip(6, form="plain")(x), create_attn("strip", 6, use_conv=False)(x))


class StripPooling(torch.nn.Module):
    """The authors' block in its residual branches: only the last of its convolutions has a bias."""

    def __init__(self, c):
        super().__init__()
        conv, norm = torch.nn.Conv2d, torch.nn.BatchNorm2d
        self.conv1, self.bn1 = conv(c, c, (3, 1), padding=(1, 0), bias=False), norm(c)
        self.conv2, self.bn2 = conv(c, c, (1, 3), padding=(0, 1), bias=False), norm(c)
        self.conv3 = conv(c, c, 1)

    def forward(self, x):
        rows = self.bn1(self.conv1(x.mean(3, True))).expand_as(x)
        columns = self.bn2(self.conv2(x.mean(2, True))).expand_as(x)
        return x * self.conv3(torch.relu(rows + columns)).sigmoid()


@pytest.mark.parametrize("training", [False, True])
def test_the_published_block_agrees_and_exchanges_weights(training):
    module, theirs, again = drawn(Strip(6)), StripPooling(6).double(), Strip(6).double()
    theirs.load_state_dict(export_weights(module, "official"))
    import_weights(again, theirs.state_dict(), "official")
    for net in (module, again, theirs):
        net.train(training)
    x, y = features(3, 6, 7, 5).requires_grad_(), features(3, 6, 7, 5).requires_grad_()
    ours, want = module(x), theirs(y)
    torch.testing.assert_close(ours, want, rtol=1e-11, atol=1e-12)
    ours.square().sum().backward()
    want.square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-10, atol=1e-11)
    torch.testing.assert_close(module.norms[0].running_var, theirs.bn1.running_var, rtol=1e-11, atol=1e-12)
    assert torch.equal(again(x), ours)


def test_the_count_and_the_order():
    assert count(Strip(64)) == 2 * (3 * 64 * 64 + 2 * 64) + 64 * 64 + 64
    assert count(Strip(64, form="depthwise")) == sum(p.numel() for p in create_attn("strip", 64).parameters())
    assert count(Strip(64, form="plain")) == 0
    layers = dict.fromkeys(name.rpartition(".")[0] for name in names(Strip(4)))
    assert list(layers) == ["profiles.0", "profiles.1", "norms.0", "norms.1", "mix"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kernel_size": 2}, "strip: kernel_size=2 is not allowed; it must be odd"),
        ({"form": "half"}, "strip: form='half' is not allowed; choose one of 'full', 'depthwise', 'plain'"),
        ({"bias": 1}, "strip: bias=1 is not allowed"),
        ({"dims": 1}, "strip: dims=1 is not allowed; choose one of 2, 3"),
        ({"strict": 0}, "strip: strict=0 is not allowed"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        Strip(8, **options)
