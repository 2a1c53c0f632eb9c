import pytest
import torch

from regard.attention.branch.lsk import LSK
from regard.attention.exchange import export_weights, import_weights
from regard.core.errors import OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features
from tests.attention.formulas import convolve, sigmoid


def formula(x, p, c, dilation=3):
    """Equations 2 to 8 of the paper."""
    dense, far = p["near.weight"].shape[2], p["far.weight"].shape[2]
    near = convolve(x, p["near.weight"], p["near.bias"], padding=dense // 2, groups=c)
    wide = convolve(near, p["far.weight"], p["far.bias"], padding=dilation * (far // 2), dilation=dilation, groups=c)
    u1 = convolve(near, p["reduce_near.weight"], p["reduce_near.bias"])
    u2 = convolve(wide, p["reduce_far.weight"], p["reduce_far.bias"])
    both = [*u1.swapaxes(0, 1), *u2.swapaxes(0, 1)]
    statistics = sum(both) / len(both), both[0].copy()
    for channel in both[1:]:
        statistics = statistics[0], (statistics[1] + channel + abs(statistics[1] - channel)) / 2
    pooled = x[:, :1].repeat(2, 1)
    pooled[:, 0], pooled[:, 1] = statistics
    s = sigmoid(convolve(pooled, p["squeeze.weight"], p["squeeze.bias"], padding=3))
    return x * convolve(s[:, :1] * u1 + s[:, 1:] * u2, p["expand.weight"], p["expand.bias"])


@pytest.mark.parametrize("shape", [(2, 4, 7, 5), (2, 3, 4, 6), (1, 4, 1, 1), (2, 4, 9), (1, 4, 2, 4, 3), (1, 1, 3, 3)])
def test_it_is_the_papers_formula(shape):
    module, x = drawn(LSK(shape[1], dims=len(shape) - 2)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), shape[1]), rtol=1e-9, atol=1e-10)


def test_other_kernels_follow_the_same_rule():
    module, x = drawn(LSK(4, kernel_size=9, dilation=2)), features(2, 4, 7, 5)
    assert (module.near.kernel_size, module.far.kernel_size) == ((3, 3), (5, 5))
    assert_equal(module(x), formula(x.numpy(), arrays(module), 4, 2), rtol=1e-9, atol=1e-10)


class Attention(torch.nn.Module):
    """The published layer, written from the paper's figures 3 and 4."""

    def __init__(self, c):
        super().__init__()
        conv = torch.nn.Conv2d
        self.proj_1, self.proj_2, unit = conv(c, c, 1), conv(c, c, 1), torch.nn.Module()
        unit.conv0, unit.conv_spatial = conv(c, c, 5, 1, 2, 1, c), conv(c, c, 7, 1, 9, 3, c)
        unit.conv1, unit.conv2 = conv(c, c // 2, 1), conv(c, c // 2, 1)
        unit.conv_squeeze, unit.conv = conv(2, 2, 7, padding=3), conv(c // 2, c, 1)
        self.spatial_gating_unit = unit

    def forward(self, x):
        u, unit = torch.nn.functional.gelu(self.proj_1(x)), self.spatial_gating_unit
        near = unit.conv0(u)
        u1, u2 = unit.conv1(near), unit.conv2(unit.conv_spatial(near))
        both = torch.cat([u1, u2], 1)
        chosen = unit.conv_squeeze(torch.cat([both.mean(1, True), both.max(1, True)[0]], 1)).sigmoid()
        return x + self.proj_2(u * unit.conv(u1 * chosen[:, :1] + u2 * chosen[:, 1:]))


def test_the_published_layer_agrees_and_exchanges_weights():
    module, theirs, again = drawn(LSK(6, projections=True)), Attention(6).double(), LSK(6, projections=True).double()
    theirs.load_state_dict(export_weights(module, "official"))
    x, y = features(2, 6, 9, 5).requires_grad_(), features(2, 6, 9, 5).requires_grad_()
    torch.testing.assert_close(module(x), theirs(y), rtol=1e-11, atol=1e-11)
    module(x).square().sum().backward()
    theirs(y).square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-11, atol=1e-7)
    import_weights(again, theirs.state_dict(), "official")
    assert torch.equal(again(x), module(x))


def test_the_count_is_that_of_the_authors_layers():
    assert count(LSK(64)) == 64 * 26 + 64 * 50 + 2 * (64 * 32 + 32) + 2 * 2 * 49 + 2 + 32 * 64 + 64
    assert count(LSK(64, projections=True)) == count(Attention(64))


def test_every_position_chooses_between_the_branches():
    module, x, seen = drawn(LSK(4)), features(2, 4, 5, 6), []
    module.select.sink = seen.append
    module(x)
    assert seen[0].shape == (2, 2, 1, 5, 6)
    module.select.replace = lambda values: torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1, 1)
    near = module.expand(module.reduce_near(module.near(x)))
    torch.testing.assert_close(module(x), x * near)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kernel_size": 24}, "lsk: kernel_size=24 is not allowed with dilation=3"),
        ({"dilation": 1.0}, "lsk: dilation=1.0 is not allowed"),
        ({"projections": 0}, "lsk: projections=0 is not allowed"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        LSK(8, **options)
