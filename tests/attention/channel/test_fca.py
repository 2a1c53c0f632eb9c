import math

import numpy as np
import pytest
import torch
from torch import nn

from regard.attention.channel.fca import FCA, ORDERS
from regard.attention.channel.se import SE
from regard.attention.exchange import export_weights, import_weights
from regard.core.errors import CheckpointError, OptionError, ShapeError
from tests.attention.drawn import PLAIN_RESNET, arrays, assert_equal, block_outputs, count, drawn, features, names
from tests.attention.formulas import affine, over_positions, relu, sigmoid

FOUR = {"top4": [(0, 0), (0, 1), (6, 0), (0, 5)], "bot4": [(6, 6), (1, 4), (3, 4), (3, 6)]}
"""The first frequencies of two of the authors' lists."""


def cosine(frequency, index, size):
    """A basis function of the discrete cosine transform, of length 1 over its positions."""
    wave = math.cos(math.pi * frequency * (index + 0.5) / size)
    return wave * math.sqrt((1 if frequency == 0 else 2) / size)


def average(x, size):
    """Adaptive average pooling, cell by cell."""
    y = np.empty((*x.shape[:2], size, size))
    edges = [[(i * n // size, -(-(i + 1) * n // size)) for i in range(size)] for n in x.shape[2:]]
    for i, j in np.ndindex(size, size):
        y[:, :, i, j] = x[:, :, slice(*edges[0][i]), slice(*edges[1][j])].mean((2, 3))
    return y


def formula(x, p, pairs, size=None):
    """Each channel's coefficient for the frequency of its share of the channels, then the gate of `se`."""
    given = x if size is None else average(x, size)
    h, w = given.shape[2:]
    z = np.zeros(x.shape[:2])
    for c in range(x.shape[1]):
        u, v = pairs[c * len(pairs) // x.shape[1]]
        u, v = u * (h // 7), v * (w // 7)
        for i, j in np.ndindex(h, w):
            z[:, c] += given[:, c, i, j] * cosine(u, i, h) * cosine(v, j, w)
    gate = sigmoid(affine(p["expand.weight"], relu(affine(p["reduce.weight"], z))))
    return x * over_positions(gate, x)


class MultiSpectral(nn.Module):
    """The authors' layer, by its formula and the names of its state dict."""

    def __init__(self, channels, size, pairs, reduction):
        super().__init__()
        basis = torch.zeros(channels, size, size, dtype=torch.float64)
        for c, i, j in np.ndindex(channels, size, size):
            u, v = pairs[c // (channels // len(pairs))]
            basis[c, i, j] = cosine(u * (size // 7), i, size) * cosine(v * (size // 7), j, size)
        self.dct_layer = nn.Module()
        self.dct_layer.register_buffer("weight", basis)
        hidden = channels // reduction
        layers = (nn.Linear(channels, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, channels, bias=False))
        self.fc = nn.Sequential(*layers, nn.Sigmoid())

    def forward(self, x):
        z = nn.functional.adaptive_avg_pool2d(x, self.dct_layer.weight.shape[1:])
        return x * self.fc((z * self.dct_layer.weight).sum((2, 3)))[..., None, None]


@pytest.mark.parametrize(
    "shape", [(3, 8, 7, 7), (2, 8, 14, 9), (2, 8, 5, 3), (1, 8, 1, 1), (2, 8, 1, 15), (2, 3, 7, 7)]
)
@pytest.mark.parametrize("frequencies", [*FOUR])
@pytest.mark.parametrize("size", [None, 7, 5])
def test_it_is_the_papers_formula(shape, frequencies, size):
    module = drawn(FCA(shape[1], reduction=2, frequencies=frequencies, size=size))
    x = features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), FOUR[frequencies], size), rtol=1e-10)


@pytest.mark.parametrize("size", [5, 7, 14])
@pytest.mark.parametrize("fixed", [False, True])
def test_the_authors_layer_agrees_with_its_gradient(size, fixed):
    module = drawn(FCA(8, reduction=2, frequencies="top4", size=size if fixed else None))
    theirs = MultiSpectral(8, size, FOUR["top4"], 2).double()
    theirs.load_state_dict(theirs.state_dict() | export_weights(module, "official"))
    ours, other = (features(2, 8, size, size).requires_grad_() for _ in range(2))
    y, want = module(ours), theirs(other)
    torch.testing.assert_close(y, want, rtol=1e-11, atol=1e-12)
    for out in (y, want):
        (out * features(*out.shape, seed=5)).sum().backward()
    torch.testing.assert_close(ours.grad, other.grad, rtol=1e-10, atol=1e-11)


def test_the_authors_weights_round_trip_without_constants():
    module, other = drawn(FCA(8, reduction=2, frequencies="top4")), FCA(8, reduction=2, frequencies="top4").double()
    state = MultiSpectral(8, 7, FOUR["top4"], 2).double().state_dict() | export_weights(module, "official")
    assert "dct_layer.weight" in state.keys() - export_weights(module, "official").keys()
    import_weights(other, state, "official")
    for wrong in ({"frequencies": "low4"}, {"size": 14}):
        with pytest.raises(
            CheckpointError, match=r"'dct_layer.weight' of the weights.* differs from what the module computes"
        ):
            import_weights(FCA(8, **({"reduction": 2, "frequencies": "top4"} | wrong)), state, "official")
    x = features(2, 8, 7, 7)
    assert torch.equal(other(x), module(x))


def test_the_lowest_frequency_is_the_mean_of_se():
    module, other, x = (
        drawn(FCA(6, reduction=2, frequencies="top1")),
        SE(6, reduction=2, bias=False),
        features(2, 6, 4, 9),
    )
    other = drawn(other)
    other.load_state_dict(
        {name: values * (6 if "reduce" in name else 1) for name, values in module.state_dict().items()}
    )
    torch.testing.assert_close(module(x), other(x), rtol=1e-11, atol=1e-12)


def test_a_case_computed_by_hand():
    module = FCA(2, reduction=2, frequencies="low2").double()
    with torch.no_grad():
        module.reduce.weight.copy_(torch.tensor([[1.0, 1.0]]))
        module.expand.weight.copy_(torch.tensor([[math.log(3) / 3], [0.0]]))
    # One row of seven: the first channel's coefficient is its sum / sqrt 7, the second's that of its first cell, where
    # the wave of half a turn is sqrt 2 cos(pi / 14) / sqrt 7.
    hidden = 7 / math.sqrt(7) + math.sqrt(2 / 7) * math.cos(math.pi / 14)
    gate = 1 / (1 + 3 ** (-hidden / 3))
    y = module(torch.tensor([[[[1.0] * 7], [[1.0, *[0.0] * 6]]]], dtype=torch.float64))
    assert y.flatten().tolist() == pytest.approx([*[gate] * 7, 0.5, *[0.0] * 6])
    # One row of two, under 7: both channels show their sum / sqrt 2, as in the authors' code.
    gate = 1 / (1 + 3 ** (-(4 + 3) / math.sqrt(2) / 3))
    y = module(torch.tensor([[[[1.0, 3.0]], [[2.0, 1.0]]]], dtype=torch.float64))
    assert y.flatten().tolist() == pytest.approx([gate, 3 * gate, 1.0, 0.5])


def test_each_list_has_32_different_frequencies():
    for order in ORDERS.values():
        pairs = order.split()
        assert len(set(pairs)) == len(pairs) == 32
        assert set("".join(pairs)) <= set("0123456")
    assert set(FCA(32, frequencies="low32").waves.flatten().tolist()) == {*range(7)}


def test_counts_of_the_papers_network():
    # 28.07 million in the paper's table.
    total = PLAIN_RESNET[50] + sum(n * count(FCA(c)) for c, n in block_outputs(50))
    assert round(total / 1e4) == 2807
    assert names(FCA(8)) == ["reduce.weight", "expand.weight"]
    assert [*FCA(8).state_dict()] == names(FCA(8))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"frequencies": "top3"}, "fca: frequencies='top3' is not allowed; choose one of 'top1', 'top2'"),
        ({"size": 0}, "fca: size=0 is not allowed; it must be an integer of at least 1"),
        ({"reduction": 0.5}, "fca: reduction=0.5 is not allowed; it must be an integer of at least 1"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        FCA(8, **options)


def test_only_images_have_two_frequencies():
    with pytest.raises(ShapeError, match=r"fca: .* with 2 position axes"):
        FCA(8)(torch.zeros(2, 8, 5))
