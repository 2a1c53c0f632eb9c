import pytest
import torch

from regard.attention.exchange import export_weights, import_weights
from regard.attention.spatial.lska import LSKA
from regard.core.errors import OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features
from tests.attention.formulas import convolve


def strip(x, weight, bias, axis, dilation):
    """A depthwise strip along one axis, as loops over its taps."""
    y, taps = bias.reshape(1, -1, *(1,) * (x.ndim - 2)) * (0 * x + 1), weight.reshape(weight.shape[0], -1)
    for tap in range(taps.shape[1]):
        shift = dilation * (tap - taps.shape[1] // 2)
        for index in range(x.shape[axis + 2]):
            if 0 <= index + shift < x.shape[axis + 2]:
                at = (slice(None), slice(None), *(slice(None),) * axis)
                y[(*at, index)] += taps[:, tap].reshape(1, -1, *(1,) * (x.ndim - 3)) * x[(*at, index + shift)]
    return y


@pytest.mark.parametrize("shape", [(2, 3, 7, 5), (1, 3, 1, 1), (2, 3, 9), (1, 3, 2, 4, 3)])
@pytest.mark.parametrize(("kernel_size", "dilation"), [(7, 2), (11, 2), (23, 3)])
def test_it_is_the_papers_formula(shape, kernel_size, dilation):
    dims = len(shape) - 2
    module, x = drawn(LSKA(3, kernel_size=kernel_size, dims=dims)), features(*shape)
    p, z = arrays(module), x.numpy()
    for part, spread in (("near", 1), ("far", dilation)):
        for number, axis in enumerate(reversed(range(dims))):
            z = strip(z, p[f"{part}.{number}.weight"], p[f"{part}.{number}.bias"], axis, spread)
    assert_equal(module(x), x.numpy() * convolve(z, p["mix.weight"], p["mix.bias"]), rtol=1e-10)


class Attention(torch.nn.Module):
    """The published layer, written from the paper's figure 2."""

    def __init__(self, c, near, far, dilation):
        super().__init__()
        conv = torch.nn.Conv2d
        self.proj_1, self.proj_2 = conv(c, c, 1), conv(c, c, 1)
        unit, pad = torch.nn.Module(), dilation * (far // 2)
        unit.conv0h = conv(c, c, (1, near), padding=(0, near // 2), groups=c)
        unit.conv0v = conv(c, c, (near, 1), padding=(near // 2, 0), groups=c)
        unit.conv_spatial_h = conv(c, c, (1, far), padding=(0, pad), groups=c, dilation=dilation)
        unit.conv_spatial_v = conv(c, c, (far, 1), padding=(pad, 0), groups=c, dilation=dilation)
        unit.conv1 = conv(c, c, 1)
        self.spatial_gating_unit = unit

    def forward(self, x):
        u, unit = torch.nn.functional.gelu(self.proj_1(x)), self.spatial_gating_unit
        seen = unit.conv_spatial_v(unit.conv_spatial_h(unit.conv0v(unit.conv0h(u))))
        return x + self.proj_2(u * unit.conv1(seen))


@pytest.mark.parametrize(
    ("kernel_size", "kernels"),
    [(7, (3, 3, 2)), (11, (3, 5, 2)), (23, (5, 7, 3)), (35, (5, 11, 3)), (41, (5, 13, 3)), (53, (5, 17, 3))],
)
def test_the_published_layers_agree_and_exchange_weights(kernel_size, kernels):
    options = {"kernel_size": kernel_size, "projections": True}
    module, theirs, again = drawn(LSKA(6, **options)), Attention(6, *kernels).double(), LSKA(6, **options).double()
    theirs.load_state_dict(export_weights(module, "official"))
    x, y = features(2, 6, 9, 5).requires_grad_(), features(2, 6, 9, 5).requires_grad_()
    torch.testing.assert_close(module(x), theirs(y), rtol=1e-11, atol=1e-11)
    module(x).square().sum().backward()
    theirs(y).square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-11, atol=1e-8)
    import_weights(again, theirs.state_dict(), "official")
    assert torch.equal(again(x), module(x))


def test_it_is_lka_of_a_rank_one_kernel():
    from regard.attention.spatial.lka import LKA

    ours, whole, x = drawn(LSKA(2)), drawn(LKA(2)), features(1, 2, 9, 8)
    with torch.no_grad():
        for part in ("near", "far"):
            across, down = getattr(ours, part)
            across.bias.zero_()
            getattr(whole, part).weight.copy_(down.weight * across.weight)
            getattr(whole, part).bias.copy_(down.bias)
        whole.mix.load_state_dict(ours.mix.state_dict())
    torch.testing.assert_close(ours(x), whole(x), rtol=1e-11, atol=1e-12)


def test_the_count_is_linear_in_the_kernel():
    assert count(LSKA(64)) == 2 * 64 * (5 + 1) + 2 * 64 * (7 + 1) + 64 * 64 + 64
    assert count(LSKA(64, kernel_size=53)) - count(LSKA(64)) == 2 * 64 * 10


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kernel_size": 24}, "lska: kernel_size=24 is not allowed with dilation=3"),
        ({"kernel_size": "7"}, "lska: kernel_size='7' is not allowed"),
        ({"dilation": 0}, "lska: dilation=0 is not allowed"),
        ({"projections": "no"}, "lska: projections='no' is not allowed"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        LSKA(8, **options)
