import itertools

import numpy as np
import pytest
import torch
from timm.layers import Attention
from torch import nn

from regard.attention.spatial.multihead import MultiHead
from regard.core import OptionError, ShapeError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features
from tests.attention.formulas import softmax
from tests.attention.largest import largest_of_a_step
from tests.attention.twins import assert_twins


def gather(x, p, heads, window=None):
    """Equation 1 in a loop over images, positions and heads; with a `window`, Bello's relative logits."""
    flat, indices = x.reshape(*x.shape[:2], -1), list(itertools.product(*map(range, x.shape[2:])))
    y, width = np.empty_like(flat), x.shape[1] // heads
    for b, image in enumerate(flat):
        qkv = p["qkv.weight"] @ image + p.get("qkv.bias", np.zeros(3 * x.shape[1]))[:, None]
        q, k, v = qkv.reshape(3, heads, width, -1)
        for i, here in enumerate(indices):
            parts = []
            for n in range(heads):
                logits = []
                for j, there in enumerate(indices):
                    logit = q[n, :, i] @ k[n, :, j]
                    for axis in range(len(here) if window else 0):
                        offset = min(max(there[axis] - here[axis], 1 - window), window - 1)
                        logit += q[n, :, i] @ p["offsets"][axis, offset + window - 1]
                    logits.append(logit / np.sqrt(width))
                parts.append(v[n] @ softmax(np.array(logits), 0))
            y[b, :, i] = p["project.weight"] @ np.concatenate(parts) + p["project.bias"]
    return y.reshape(x.shape)


SHAPES = [(2, 6, 4, 3), (2, 6, 5), (1, 6, 2, 3, 2), (1, 6, 1, 1), (1, 6, 1, 7)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("options", [{}, {"heads": 3, "bias": False}, {"heads": 6, "residual": False}])
def test_it_is_the_papers_formula(shape, watched, options):
    module, x = drawn(MultiHead(6, dims=len(shape) - 2, **options)), features(*shape)
    module.map.sink = (lambda values: None) if watched else None
    h = gather(x.numpy(), arrays(module), options.get("heads", 2))
    assert_equal(module(x), h if options.get("residual") is False else x.numpy() + h)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("window", [1, 3, 9])
def test_relative_positions_are_those_of_attention_augmented_convolution(shape, watched, window):
    module = drawn(MultiHead(6, heads=2, position="relative", window=window, dims=len(shape) - 2))
    module.map.sink = (lambda values: None) if watched else None
    x = features(*shape)
    assert_equal(module(x), x.numpy() + gather(x.numpy(), arrays(module), 2, window))


def test_only_relative_positions_tell_an_order_from_another():
    x = features(1, 8, 1, 6)
    turned = x[..., [2, 0, 1, 5, 3, 4]]
    for position, alike in (("none", True), ("relative", False)):
        module = drawn(MultiHead(8, position=position))
        assert torch.allclose(module(turned), module(x)[..., [2, 0, 1, 5, 3, 4]]) == alike


def over_positions(layer, *repeated):
    """Their layer, applied to positions as tokens, plus x."""

    class OverPositions(type(layer)):
        def forward(self, x):
            tokens = x.flatten(2).transpose(1, 2)
            y = super().forward(*(tokens,) * (1 + len(repeated)))
            y = y[0] if isinstance(y, tuple) else y
            return x + y.transpose(1, 2).reshape(x.shape)

    layer.__class__ = OverPositions
    return layer


@pytest.mark.parametrize("bias", [True, False])
def test_timm_agrees(bias):
    theirs = over_positions(Attention(16, num_heads=4, qkv_bias=bias))
    assert_twins(MultiHead(16, heads=4, bias=bias), theirs, "timm", 0.3 * features(2, 16, 5, 3))


def test_pytorch_agrees():
    theirs = over_positions(nn.MultiheadAttention(16, 4, batch_first=True), "key", "value")
    assert_twins(MultiHead(16, heads=4), theirs, "torch", 0.3 * features(2, 16, 5, 3))
    assert count(MultiHead(16)) == count(nn.MultiheadAttention(16, 4))


def test_a_norm_comes_first():
    module, x = drawn(MultiHead(6, norm=True)), features(2, 6, 4, 3)
    z = x.numpy()
    z = (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, keepdims=True) + 1e-5)
    p = arrays(module)
    z = p["norm.weight"][:, None, None] * z + p["norm.bias"][:, None, None]
    assert_equal(module(x), x.numpy() + gather(z, p, 2))


def test_the_offsets_begin_with_length_one():
    torch.manual_seed(0)
    module = MultiHead(512, heads=8, position="relative", window=64)
    assert module.offsets.square().sum(-1).mean().item() == pytest.approx(1, rel=0.05)
    assert count(module) == count(MultiHead(512)) + 2 * 127 * 64


@pytest.mark.parametrize("position", ["none", "relative"])
def test_an_unwatched_tap_makes_no_full_map(position):
    module, x = MultiHead(8, heads=1, position=position, window=4), torch.randn(1, 8, 32, 32)
    assert largest_of_a_step(module, x) < 1024 * 1024 / 8
    module.map.sink = lambda values: None
    assert largest_of_a_step(module, x) >= 1024 * 1024


def test_the_map_is_over_heads_and_pairs():
    module, x, seen = drawn(MultiHead(6, heads=3)), features(2, 6, 4, 5), []
    module.map.sink = seen.append
    module(x)
    assert seen[0].shape == (2, 3, 4, 5, 4, 5)
    torch.testing.assert_close(seen[0].sum((4, 5)), torch.ones(2, 3, 4, 5).double())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"heads": 3}, r"multihead: heads=3 is not allowed; it must divide the channels, 8 \(try 1\)"),
        ({"position": "absolute"}, "multihead: position='absolute' is not allowed; choose one of 'none', 'relative'"),
        ({"window": 0}, "multihead: window=0"),
        ({"bias": 1}, "multihead: bias=1"),
        ({"norm": "layer"}, "multihead: norm='layer'"),
        ({"residual": None}, "multihead: residual=None"),
        ({"dims": 4}, "multihead: dims=4 is not allowed; choose one of 1, 2, 3"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        MultiHead(8, **options)


def test_other_axes_are_refused():
    with pytest.raises(ShapeError, match="with 2 position axes"):
        MultiHead(8)(torch.zeros(1, 8, 4))
