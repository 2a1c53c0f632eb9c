"""Squeeze-and-excitation."""

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


class SE(Mechanism):
    """Weighs each channel by what all channels' means say about it.

    y = x * sigmoid(W2 relu(W1 mean(x) + b1) + b2), the mean taken over positions.

    Hu, Shen, Sun: Squeeze-and-Excitation Networks, CVPR 2018, equations 2 (mean), 3 (gate) and 4 (product).
    The published networks have both biases (the text leaves them out) and put the gate after the last normalisation
    of the residual branch. The hidden width is c / reduction rounded down and not rounded to a multiple of 8.

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
        >>> SE(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in SE(64, reduction=16).parameters())
        580
    """

    facts: ClassVar[Facts] = Facts(
        name="se",
        family="channel",
        paper=Paper(
            title="Squeeze-and-Excitation Networks",
            authors="Jie Hu and Li Shen and Gang Sun",
            year=2018,
            venue="CVPR",
            identifier="arXiv:1709.01507",
        ),
        authors_code="https://github.com/hujie-frank/SENet",
        departures=("The hidden width is never under 1, so that a narrow layer still sees its input.",),
        parameters="2*c*h + bias*(h + c) where h = max(1, c // reduction)",
    )

    def __init__(self, channels: int, *, reduction: int = 16, bias: bool = True, start: Start = "paper") -> None:
        super().__init__(channels, start=start)
        hidden = hidden_width("se", channels, reduction)
        flag("se", "bias", bias)
        self.reduce = nn.Linear(channels, hidden, bias=bias)
        self.expand = nn.Linear(hidden, channels, bias=bias)
        self.gate = Tap("gate")

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel weighed."""
        self.expect(x)
        (mean,) = squeeze_positions(x, "mean")
        logits = self.expand(torch.relu(self.reduce(mean.to(self.reduce.weight.dtype))))
        gate = self.temper(torch.sigmoid(widen(logits)))
        return apply_gate(x, self.gate(gate.reshape(*gate.shape, *(1,) * (x.ndim - 2))))
