"""Squeeze-and-excitation."""

from typing import Literal

from torch import Tensor, relu

from regard.attention.layers import Linear, Rescaling, bottleneck, hard_sigmoid, sigmoid
from regard.core import Facts, Paper, Start, Tap
from regard.kernels import squeeze_positions

Gate = Literal["sigmoid", "hard_sigmoid"]


class SE(Rescaling):
    """Rescales each channel by a gate made of the means of all channels.

    y = x * sigmoid(W2 relu(W1 mean(x) + b1) + b2), the mean taken over positions.

    Hu, Shen, Sun: Squeeze-and-Excitation Networks, CVPR 2018, equations 2 (mean), 3 (gate) and 4 (product).
    The published networks have both biases (the paper leaves them out) and put the gate after the last normalisation
    of the residual branch. The hidden width is c / reduction rounded down and not rounded to a multiple of 8;
    networks that round, or that take the width from other channels, need `hidden` or `min_hidden`.

    With `reduction=None` one layer replaces the two, which keeps what the narrow one would lose; with
    `gate="hard_sigmoid"` too it is the effective form of Lee, Park: CenterMask: Real-Time Anchor-Free Instance
    Segmentation, CVPR 2020, as their code has it, y = x * relu6(W mean(x) + b + 3) / 6; the paper writes a
    sigmoid.

    Args:
        channels: c.
        reduction: r; the hidden layer has max(min_hidden, c // r) units; None means no hidden layer, unless `hidden`
            is given.
        hidden: units of the hidden layer instead of that rule; None means the rule.
        min_hidden: the fewest units that the rule gives.
        bias: whether the layers have a bias.
        gate: `sigmoid`, or `hard_sigmoid`, which is piecewise linear.
        start: see `Features`.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> SE(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in SE(64, reduction=16).parameters())
        580
        >>> SE(64, reduction=None, gate="hard_sigmoid").score
        Linear(in_features=64, out_features=64, bias=True)
    """

    facts = Facts(
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
        parameters=(
            "(2*c*h + bias*h if h else c*c) + bias*c"
            " where h = hidden or (max(min_hidden, c // reduction) if reduction else 0)"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        reduction: int | None = 16,
        hidden: int | None = None,
        min_hidden: int = 1,
        bias: bool = True,
        gate: Gate = "sigmoid",
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        self.squash = sigmoid if gate == "sigmoid" else hard_sigmoid
        self.has_hidden = reduction is not None or hidden is not None
        if self.has_hidden:
            rule = channels if reduction is None else reduction
            self.reduce, self.expand = bottleneck("se", channels, rule, bias, hidden, min_hidden)
        else:
            self.score = Linear(channels, channels, bias=bias)
        self.gate = Tap("gate")

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel rescaled."""
        self.expect(x)
        squeezed = squeeze_positions(x, "mean")
        (mean,) = squeezed
        logits = self.expand(relu(self.reduce(mean))) if self.has_hidden else self.score(mean)
        return self.rescale(squeezed, self.gate, self.squash(logits))
