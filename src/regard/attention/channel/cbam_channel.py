"""The channel half of the convolutional block attention module."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from regard.attention.widths import hidden_width
from regard.core.facts import Facts, Paper
from regard.core.mechanism import Mechanism, Start
from regard.core.options import flag
from regard.core.precision import widen
from regard.core.tap import Tap
from regard.kernels import apply_gate, squeeze_positions

PAPER = Paper(
    title="CBAM: Convolutional Block Attention Module",
    authors="Sanghyun Woo and Jongchan Park and Joon-Young Lee and In So Kweon",
    year=2018,
    venue="ECCV",
    identifier="arXiv:1807.06521",
)


class CBAMChannel(Mechanism):
    """Weighs each channel by what one small network says of the channels' means and of their maxima.

    y = x * sigmoid(mlp(mean(x)) + mlp(max(x))), mlp(s) = W1 relu(W0 s + b0) + b1, both taken over positions.

    Woo, Park, Lee, Kweon: CBAM: Convolutional Block Attention Module, ECCV 2018, equation 2. The paper writes no
    biases; the authors' code, whose weights exist, has both.

    Args:
        channels: c.
        reduction: r; the hidden layer has max(1, c // r) units.
        bias: whether both layers have a bias.
        start: see `Mechanism`.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> CBAMChannel(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
    """

    facts: ClassVar[Facts] = Facts(
        name="cbam_channel",
        family="channel",
        paper=PAPER,
        authors_code="https://github.com/Jongchan/attention-module",
        departures=(
            "The hidden width is never under 1, so that a narrow layer still sees its input.",
            "Positions that tie for the maximum share its gradient, which is deterministic on CUDA.",
        ),
        parameters="2*c*h + bias*(h + c) where h = max(1, c // reduction)",
    )

    def __init__(self, channels: int, *, reduction: int = 16, bias: bool = True, start: Start = "paper") -> None:
        super().__init__(channels, start=start)
        hidden = hidden_width("cbam_channel", channels, reduction)
        flag("cbam_channel", "bias", bias)
        self.reduce = nn.Linear(channels, hidden, bias=bias)
        self.expand = nn.Linear(hidden, channels, bias=bias)
        self.gate = Tap("gate")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the weights as a linear layer does and sets the biases to 0, as the authors' networks do."""
        for layer in (self.reduce, self.expand):
            layer.reset_parameters()
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel weighed."""
        self.expect(x)
        mean, peak = squeeze_positions(x, "mean", "max")
        gate = self.temper(torch.sigmoid(widen(self._score(mean)) + widen(self._score(peak))))
        return apply_gate(x, self.gate(gate.reshape(*gate.shape, *(1,) * (x.ndim - 2))))

    def _score(self, statistic: Tensor) -> Tensor:
        return self.expand(torch.relu(self.reduce(statistic.to(self.reduce.weight.dtype))))
