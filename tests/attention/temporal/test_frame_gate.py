import math

import numpy as np
import pytest
import torch

from regard.attention.temporal.frame_gate import FrameGate
from regard.core import OptionError, ShapeError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features
from tests.attention.formulas import sigmoid


def formula(x, p, *, residual=True):
    """The temporal module of the paper, frame by frame: offsets beyond either end add nothing."""
    weight, y = p["conv.weight"][0], np.zeros(x.shape)
    reach = weight.shape[1] // 2
    for b, clip in enumerate(x):
        means = clip.reshape(*clip.shape[:2], -1).mean(2)
        for t in range(clip.shape[1]):
            near = [s for s in range(t - reach, t + reach + 1) if 0 <= s < clip.shape[1]]
            logit = p["conv.bias"][0] + sum(weight[:, s - t + reach] @ means[:, s] for s in near)
            y[b, :, t] = clip[:, t] * (residual + sigmoid(logit))
    return y


@pytest.mark.parametrize("shape", [(3, 6, 7), (3, 6, 5, 3, 2), (1, 6, 1, 1, 1)])
@pytest.mark.parametrize(("kernel_size", "residual"), [(9, True), (3, False)])
def test_it_is_the_papers_formula(shape, kernel_size, residual):
    module, x = drawn(FrameGate(6, kernel_size=kernel_size, residual=residual)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), residual=residual))


def test_it_is_the_authors_lines():
    """`y * sigmoid(conv_ta(y.mean(-1))).unsqueeze(-1) + y` for y (b, c, t, joints), by PyTorch's own layer."""
    module, x = drawn(FrameGate(6)), features(2, 6, 11, 5, 1)
    conv_ta = torch.nn.Conv1d(6, 1, 9, padding=4).double()
    conv_ta.load_state_dict({name.removeprefix("conv."): value for name, value in module.state_dict().items()})
    joints = x.squeeze(4)
    gate = torch.sigmoid(conv_ta(joints.mean(-1)))
    torch.testing.assert_close(module(x).squeeze(4), joints * gate.unsqueeze(-1) + joints, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("filling", [1e6, math.nan, math.inf])
@pytest.mark.parametrize("size", [(), (3, 2)])
def test_padding_changes_neither_values_nor_gradients(size, filling):
    module, x = drawn(FrameGate(6)), features(2, 6, 5, *size)
    found = []
    for length in (5, 8):
        module.zero_grad()
        clip = torch.full((2, 6, length, *size), filling, dtype=torch.float64)
        clip[:, :, :5] = x
        clip.requires_grad_()
        y = module(clip, torch.arange(length).expand(2, -1) < 5)
        y.square().sum().backward()
        assert not y[:, :, 5:].any()
        assert not clip.grad[:, :, 5:].any()
        found.append([y[:, :, :5], clip.grad[:, :, :5], *(p.grad for p in module.parameters())])
    for alone, padded in zip(*found, strict=True):
        torch.testing.assert_close(padded, alone, rtol=1e-12, atol=1e-12)


def test_it_shows_a_weight_for_each_frame():
    module, seen = FrameGate(6), []
    module.frame.sink = seen.append
    module(features(2, 6, 5, 3, 2).float())
    assert seen[0].shape == (2, 1, 5, 1, 1)
    assert seen[0].unique().tolist() == [1.5]  # the authors begin with sigmoid(0) everywhere


def test_counts_by_hand():
    assert count(FrameGate(64)) == 64 * 9 + 1
    assert count(FrameGate(6, kernel_size=3)) == 6 * 3 + 1


def test_a_wrong_option_or_mask_is_said():
    with pytest.raises(OptionError, match=r"frame_gate: kernel_size=4 is not allowed; it must be odd"):
        FrameGate(6, kernel_size=4)
    with pytest.raises(ShapeError, match=r"frame_gate: mask has shape \(2, 4\) .* must be bool, \(2, 5\), True where"):
        FrameGate(6)(torch.randn(2, 6, 5), torch.ones(2, 4, dtype=torch.bool))
