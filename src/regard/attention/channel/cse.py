"""Spatial squeeze and channel excitation, the channel half of scSE."""

from torch import Tensor, relu

from regard.attention.layers import Rescaling, bottleneck, sigmoid
from regard.core import Facts, Paper, Start, Tap
from regard.kernels import Squeezed, apply_gate, squeeze_positions


class CSE(Rescaling):
    """Rescales each channel by a gate made of all channels' means, through a hidden layer of half the width.

    y = x * sigmoid(W1 relu(W2 mean(x) + b2) + b1), the mean taken over positions: `se` with a reduction of 2.

    Roy, Navab, Wachinger: Concurrent Spatial and Channel Squeeze & Excitation in Fully Convolutional Networks,
    MICCAI 2018, equations 1 (mean) and 2 (gate). The paper leaves the biases out; the authors' code has both.

    Args:
        channels: c.
        reduction: r; the hidden layer has max(1, c // r) units.
        bias: whether both layers have a bias.
        start: see `Features`.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> CSE(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in CSE(64).parameters())
        4192
    """

    facts = Facts(
        name="cse",
        family="channel",
        paper=Paper(
            title="Concurrent Spatial and Channel Squeeze & Excitation in Fully Convolutional Networks",
            authors="Abhijit Guha Roy and Nassir Navab and Christian Wachinger",
            year=2018,
            venue="MICCAI",
            identifier="arXiv:1803.02579",
        ),
        authors_code="https://github.com/ai-med/squeeze_and_excitation",
        departures=("The hidden width is never under 1, so that a narrow layer still sees its input.",),
        parameters="2*c*h + bias*(h + c) where h = max(1, c // reduction)",
    )

    def __init__(self, channels: int, *, reduction: int = 2, bias: bool = True, start: Start = "paper") -> None:
        super().__init__(channels, start=start)
        self.reduce, self.expand = bottleneck("cse", channels, reduction, bias)
        self.gate = Tap("gate")

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel rescaled."""
        self.expect(x)
        squeezed = squeeze_positions(x, "mean")
        return apply_gate(squeezed, self.weights(squeezed))

    def weights(self, squeezed: Squeezed) -> Tensor:
        """The map of features whose means are given, (b, c, 1, ...), as it is applied."""
        return self.show(squeezed, self.gate, sigmoid(self.expand(relu(self.reduce(squeezed[0])))))
