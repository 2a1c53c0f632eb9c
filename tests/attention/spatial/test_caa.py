import math

import pytest
import torch

from regard.attention.exchange import export_weights, import_weights
from regard.attention.pooling import surrounding_mean
from regard.attention.spatial.caa import CAA
from regard.core.errors import OptionError, ShapeError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import convolve, normalise, sigmoid


def along(z, weight, bias, axis):
    """A depthwise strip along one axis as loops over positions and taps."""
    taps = weight.reshape(weight.shape[0], -1)
    z = z.swapaxes(2, axis + 2)
    y = bias.reshape(1, -1, *(1,) * (z.ndim - 2)) + 0 * z
    for index in range(z.shape[2]):
        for tap in range(taps.shape[1]):
            seen = index + tap - taps.shape[1] // 2
            if 0 <= seen < z.shape[2]:
                y[:, :, index] += taps[:, tap].reshape(1, -1, *(1,) * (z.ndim - 3)) * z[:, :, seen]
    return y.swapaxes(2, axis + 2)


def look(x, p, norm):
    """The map of the paper's section 3.2, with the authors' optional normalisations."""

    def after(z, name):
        if not norm:
            return z
        stored = (p[f"{name}_norm.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
        z = normalise(z, *stored, eps=1e-3)
        return z * sigmoid(z)

    dims = x.ndim - 2
    z = surrounding_mean(torch.from_numpy(x), 7).numpy()
    z = after(convolve(z, p["reduce.weight"], p.get("reduce.bias")), "reduce")
    for number, axis in enumerate(reversed(range(dims))):
        z = along(z, p[f"strips.{number}.weight"], p[f"strips.{number}.bias"], axis)
    return sigmoid(after(convolve(z, p["mix.weight"], p.get("mix.bias")), "mix"))


@pytest.mark.parametrize("shape", [(2, 3, 7, 5), (1, 3, 1, 1), (2, 3, 13), (1, 3, 2, 4, 3)])
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("apply", ["residual", "gate"])
def test_it_is_the_papers_formula(shape, norm, apply):
    module, x = drawn(CAA(3, norm=norm, apply=apply, dims=len(shape) - 2)), features(*shape)
    values = look(x.numpy(), arrays(module), norm)
    assert_equal(module(x), x.numpy() * (1 + values if apply == "residual" else values), rtol=1e-10)


class Layer(torch.nn.Module):
    """A convolution, and what the authors' networks may put behind it."""

    def __init__(self, conv, norm):
        super().__init__()
        self.conv, self.bn = conv, torch.nn.BatchNorm2d(conv.out_channels, eps=1e-3, momentum=0.03) if norm else None

    def forward(self, x):
        return self.conv(x) if self.bn is None else torch.nn.functional.silu(self.bn(self.conv(x)))


class ContextAnchorAttention(torch.nn.Module):
    """The published layer, written from the paper's equations 4 and 5."""

    def __init__(self, c, k, norm):
        super().__init__()
        conv = torch.nn.Conv2d
        self.conv1 = Layer(conv(c, c, 1, bias=not norm), norm)
        self.h_conv = Layer(conv(c, c, (1, k), padding=(0, k // 2), groups=c), False)
        self.v_conv = Layer(conv(c, c, (k, 1), padding=(k // 2, 0), groups=c), False)
        self.conv2 = Layer(conv(c, c, 1, bias=not norm), norm)
        self.avg_pool = torch.nn.AvgPool2d(7, 1, 3)

    def forward(self, x):
        return torch.sigmoid(self.conv2(self.v_conv(self.h_conv(self.conv1(self.avg_pool(x))))))


@pytest.mark.parametrize(("kernel_size", "norm"), [(11, False), (13, False), (11, True)])
@pytest.mark.parametrize("training", [False, True])
def test_the_published_layer_agrees_and_exchanges_weights(kernel_size, norm, training):
    options = {"kernel_size": kernel_size, "norm": norm}
    module, again = drawn(CAA(4, **options)), CAA(4, **options).double()
    theirs = ContextAnchorAttention(4, kernel_size, norm).double()
    theirs.load_state_dict(export_weights(module, "official"), strict=False)
    import_weights(again, theirs.state_dict(), "official")
    x, y = features(3, 4, 9, 5).requires_grad_(), features(3, 4, 9, 5).requires_grad_()
    for net in (module, again, theirs):
        net.train(training)
    ours, want = module(x), y + theirs(y) * y
    torch.testing.assert_close(ours, want, rtol=1e-11, atol=1e-11)
    ours.square().sum().backward()
    want.square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-10, atol=1e-10)
    assert torch.equal(again(x), ours)
    if norm and training:
        torch.testing.assert_close(module.mix_norm.running_var, theirs.conv2.bn.running_var, rtol=1e-11, atol=1e-12)


def test_it_starts_as_the_authors_networks():
    module = CAA(32)
    layers = [layer for layer in module.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert len(layers) == 4
    for layer in layers:
        bound = (layer.weight.shape[1] * math.prod(layer.kernel_size)) ** -0.5
        assert 0.9 * bound < layer.weight.abs().max() <= bound
        assert not layer.bias.any()


def test_the_count_and_the_order():
    assert count(CAA(64)) == 2 * (64 * 64 + 64) + 2 * 64 * 12
    assert count(CAA(64, norm=True)) == 2 * 64 * 64 + 4 * 64 + 2 * 64 * 12
    layers = dict.fromkeys(name.rpartition(".")[0] for name in names(CAA(4, norm=True)))
    assert list(layers) == ["reduce", "reduce_norm", "strips.0", "strips.1", "mix", "mix_norm"]


def test_an_untrained_last_layer_strengthens_everything_by_half():
    module, x = CAA(2), features(1, 2, 4, 4).float()
    with torch.no_grad():
        module.mix.weight.zero_()
        module.mix.bias.zero_()
    assert torch.equal(module(x), 1.5 * x)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kernel_size": 10}, "caa: kernel_size=10 is not allowed; it must be odd"),
        ({"apply": "add"}, "caa: apply='add' is not allowed; choose one of 'residual', 'gate'"),
        ({"norm": None}, "caa: norm=None is not allowed"),
        ({"strict": 1}, "caa: strict=1 is not allowed"),
        ({"dims": 0}, "caa: dims=0 is not allowed"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        CAA(8, **options)


def test_one_image_of_one_position_can_be_refused():
    with pytest.raises(ShapeError, match="batches of two or more"):
        CAA(8, norm=True, strict=True)(torch.randn(1, 8, 1, 1))
