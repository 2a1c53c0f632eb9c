import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from regard.attention.channel.transposed import Transposed
from regard.core.errors import OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import convolve, softmax
from tests.attention.twins import assert_twins


def formula(x, p, heads, residual=True):
    """Equation 1 of the paper: channel by channel, head by head."""
    c = x.shape[1]
    embedded = convolve(x, p["embed.weight"], p.get("embed.bias"))
    wide = convolve(embedded, p["surround.weight"], p.get("surround.bias"), padding=1, groups=3 * c)
    mixed = np.empty_like(x)
    for b in range(x.shape[0]):
        q, k, v = (wide[b, part * c : (part + 1) * c].reshape(c, -1) for part in range(3))
        for head in range(heads):
            mine = range(head * c // heads, (head + 1) * c // heads)
            lengths = [[np.sqrt((rows[i] ** 2).sum()) for i in mine] for rows in (q, k)]
            logits = np.array(
                [[q[i] @ k[j] / lengths[0][n] / lengths[1][m] for m, j in enumerate(mine)] for n, i in enumerate(mine)]
            )
            shares = softmax(p["temperature"][head, 0, 0] * logits, 1)
            for n, i in enumerate(mine):
                mixed[b, i] = sum(shares[n, m] * v[j] for m, j in enumerate(mine)).reshape(x.shape[2:])
    return residual * x + convolve(mixed, p["project.weight"], p.get("project.bias"))


class MDTA(nn.Module):
    """The authors' module, by its formula and the names of its state dict."""

    def __init__(self, channels, heads, bias):
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=bias)
        self.qkv_dwconv = nn.Conv2d(3 * channels, 3 * channels, 3, padding=1, groups=3 * channels, bias=bias)
        self.project_out = nn.Conv2d(channels, channels, 1, bias=bias)

    def forward(self, x):
        b, c, h, w = x.shape
        q, k, v = self.qkv_dwconv(self.qkv(x)).reshape(b, 3, len(self.temperature), -1, h * w).unbind(1)
        q, k = functional.normalize(q, dim=-1), functional.normalize(k, dim=-1)
        shares = torch.einsum("bnip,bnjp->bnij", q, k).mul(self.temperature).softmax(-1)
        return self.project_out(torch.einsum("bnij,bnjp->bnip", shares, v).reshape(b, c, h, w))


@pytest.mark.parametrize("shape", [(2, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1), (2, 6, 1, 8)])
@pytest.mark.parametrize(("heads", "bias", "residual"), [(1, False, True), (3, True, True), (2, False, False)])
def test_it_is_the_papers_formula(shape, heads, bias, residual):
    module = drawn(Transposed(6, heads=heads, bias=bias, residual=residual, dims=len(shape) - 2))
    x = features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), heads, residual), rtol=1e-10)


@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("bias", [False, True])
def test_the_authors_module_agrees(heads, bias):
    module = Transposed(8, heads=heads, bias=bias, residual=False)
    assert_twins(module, MDTA(8, heads, bias), "official", features(2, 8, 5, 3))


def test_a_case_computed_by_hand():
    module = Transposed(2, dims=1)
    with torch.no_grad():
        for values in module.parameters():
            values.zero_()
        module.embed.weight[4:, :, 0] = torch.eye(2)
        module.surround.weight[4:, 0, 1] = 1.0
        module.project.weight[:, :, 0] = torch.eye(2)
    # Without queries the map is uniform: to each channel the mean of both is added.
    y = module(torch.tensor([[[2.0, 4.0], [0.0, -2.0]]]))
    assert y.tolist() == [[[3.0, 5.0], [1.0, -1.0]]]


def test_the_heads_are_those_of_the_paper():
    assert [Transposed(c).heads for c in (48, 96, 192, 384)] == [1, 2, 4, 8]
    assert [Transposed(c).heads for c in (1, 16, 64, 100)] == [1, 1, 1, 2]


def test_counts_and_order():
    assert count(Transposed(48)) == 4 * 48**2 + 27 * 48 + 1
    layers = list(dict.fromkeys(name.partition(".")[0] for name in names(Transposed(8))))
    assert layers == ["temperature", "embed", "surround", "project"]


def test_the_map_sums_to_one_in_a_head():
    module, seen = drawn(Transposed(6, heads=2)), []
    module.map.sink = seen.append
    module(features(2, 6, 5, 3))
    assert seen[0].shape == (2, 2, 3, 3)
    torch.testing.assert_close(seen[0].sum(-1), torch.ones(2, 2, 3, dtype=torch.float64))


def test_a_row_without_length_passes_no_gradient():
    module = drawn(Transposed(6, heads=2))
    with torch.no_grad():
        module.embed.weight[:6] = 0
    module(features(2, 6, 5, 3)).square().sum().backward()
    queries, others = module.embed.weight.grad.split([6, 12])
    assert torch.equal(queries, torch.zeros_like(queries))
    assert 0 < others.abs().max() < 1e5


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"heads": 3}, r"transposed: heads=3 is not allowed; it must divide the channels, 8 \(try 1\)"),
        ({"heads": 0}, "transposed: heads=0 is not allowed; it must be an integer of at least 1"),
        ({"bias": 1}, "transposed: bias=1 is not allowed; it must be True or False"),
        ({"residual": None}, "transposed: residual=None is not allowed; it must be True or False"),
        ({"dims": 4}, "transposed: dims=4 is not allowed; choose one of 1, 2, 3"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        Transposed(8, **options)
