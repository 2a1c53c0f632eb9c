import math

import numpy as np
import pytest
import torch

from regard.attention.temporal.temporal_pool import TemporalPool
from regard.core import OptionError, ShapeError
from regard.testing import check_attention
from tests.attention.drawn import arrays, assert_equal, count, drawn, features
from tests.attention.temporal.alignments import shares


def formula(x, p, mask=None):
    """Equations 5 to 7 of the paper, frame by frame and head by head."""
    y, heads = np.zeros(x.shape[:2]), len(p["score.weight"])
    for b, clip in enumerate(x.reshape(*x.shape[:3], -1)):
        there = [t for t in range(clip.shape[1]) if mask is None or mask[b, t]]
        frames = {t: clip[:, t].mean(1) for t in there}
        for head in range(heads):
            hidden = {t: np.tanh(p["hidden.weight"] @ f + p.get("hidden.bias", 0)) for t, f in frames.items()}
            bias = p["score.bias"][head] if "score.bias" in p else 0
            found = shares({t: p["score.weight"][head] @ h + bias for t, h in hidden.items()})
            own = slice(head * x.shape[1] // heads, (head + 1) * x.shape[1] // heads)
            for t, share in found.items():
                y[b, own] += share * frames[t][own]
    return y


@pytest.mark.parametrize("shape", [(3, 6, 7), (3, 6, 5, 3, 2)])
@pytest.mark.parametrize(("heads", "bias"), [(1, False), (3, True)])
def test_it_is_the_papers_formula(shape, heads, bias):
    module, x = drawn(TemporalPool(6, hidden=4, heads=heads, bias=bias)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module)))
    mask = torch.arange(shape[2]) < torch.tensor([[shape[2]], [3], [0]])
    assert_equal(module(x, mask), formula(x.numpy(), arrays(module), mask.numpy()))


@pytest.mark.parametrize("filling", [1e6, math.nan, math.inf])
@pytest.mark.parametrize("size", [(), (3, 2)])
def test_padding_changes_neither_values_nor_gradients(size, filling):
    module, x = drawn(TemporalPool(6, heads=2)), features(2, 6, 5, *size)
    found = []
    for length in (5, 8):
        module.zero_grad()
        clip = torch.full((2, 6, length, *size), filling, dtype=torch.float64)
        clip[:, :, :5] = x
        clip.requires_grad_()
        y = module(clip, torch.arange(length).expand(2, -1) < 5)
        y.square().sum().backward()
        found.append([y, clip.grad[:, :, :5], *(p.grad for p in module.parameters())])
        assert not clip.grad[:, :, 5:].any()
    for alone, padded in zip(*found, strict=True):
        torch.testing.assert_close(padded, alone, rtol=1e-12, atol=1e-12)


def test_a_fully_masked_clip_gives_zeros():
    module, x = drawn(TemporalPool(6)), features(2, 6, 5).requires_grad_()
    y = module(x, torch.tensor([[True] * 5, [False] * 5]))
    assert not y[1].any()
    y.sum().backward()
    assert x.grad.isfinite().all()
    assert not x.grad[1].any()


def test_every_head_shows_its_frames():
    module, x, seen = drawn(TemporalPool(6, heads=3)), features(2, 6, 5, 3, 2), []
    module.frame.sink = seen.append
    module(x)
    assert seen[0].shape == (2, 3, 5)
    torch.testing.assert_close(seen[0].sum(-1), torch.ones(2, 3, dtype=torch.float64))


@pytest.mark.parametrize("dims", [1, 3])
def test_it_keeps_the_promises_of_a_mechanism(dims):
    checks = (
        "shapes",
        "dtypes",
        "autocast",
        "statistics",
        "gradcheck",
        "deepcopy",
        "state_dict",
        "taps",
        "wrong_input",
    )
    more = ("parameter_order", "parameter_count", "misspelt_option", "batch_independence", "finiteness")
    check_attention(TemporalPool, dims=(dims,), checks=(*checks, *more))


@pytest.mark.graph
def test_it_is_compiled_and_runs_in_onnx():
    assert not check_attention(TemporalPool, dims=(1,), checks=("compile", "onnx")).skipped


def test_counts_by_hand():
    assert count(TemporalPool(512)) == 128 * 512 + 128
    assert count(TemporalPool(6, hidden=4, heads=3, bias=True)) == 4 * 6 + 4 + 3 * 4 + 3


def test_a_wrong_option_or_mask_is_said():
    with pytest.raises(OptionError, match=r"temporal_pool: heads=4 is not allowed; it must divide the channels, 6"):
        TemporalPool(6, heads=4)
    for mask in (torch.ones(2, 5), torch.ones(2, 4, dtype=torch.bool)):
        with pytest.raises(ShapeError, match=r"temporal_pool: mask has shape .* must be bool, \(2, 5\), True where"):
            TemporalPool(6)(torch.randn(2, 6, 5), mask)
