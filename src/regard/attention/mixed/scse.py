"""Concurrent spatial and channel squeeze and excitation."""

from typing import Literal

from torch import Tensor, maximum

from regard.attention.channel.cse import CSE
from regard.attention.spatial.sse import SSE
from regard.core import Facts, Features, Start, Tap
from regard.kernels import apply_both, apply_gate, squeeze_positions

Combine = Literal["add", "max"]


class SCSE(Features):
    """Rescales the channels and, beside that, the positions, and adds the two results.

    y = cse(x) + sse(x), with the halves `cse` and `sse`; with `combine="max"` their elementwise maximum.

    Roy, Navab, Wachinger: Concurrent Spatial and Channel Squeeze & Excitation in Fully Convolutional Networks,
    MICCAI 2018, section 2.3. The sum is the paper's; the authors' code takes the maximum. A sum of two gates does
    nothing where each is 1/2, so that is each map's neutral value; for the maximum it is 1.

    Args:
        channels: c.
        reduction: r of the channel half.
        bias: whether the halves' layers have a bias.
        combine: `add` or `max`.
        start: see `Features`; with `identity` each half has its own `strength`.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> SCSE(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in SCSE(64).parameters())
        4257
    """

    facts = Facts(
        name="scse",
        family="mixed",
        paper=CSE.facts.paper,
        authors_code=CSE.facts.authors_code,
        departures=(
            "The default is the paper's sum; the authors' code takes the elementwise maximum.",
            *CSE.facts.departures,
            *SSE.facts.departures,
        ),
        parameters="2*c*h + bias*(h + c) + c + bias where h = max(1, c // reduction)",
    )

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 2,
        bias: bool = True,
        combine: Combine = "add",
        start: Start = "paper",
    ) -> None:
        super().__init__(channels)
        self.combine = combine
        neutral = 0.5 if combine == "add" else 1.0
        self.channel = CSE(channels, reduction=reduction, bias=bias, start=start)
        self.channel.gate = Tap("gate", neutral=neutral)
        self.spatial = SSE(channels, bias=bias, start=start)
        self.spatial.gate = Tap("spatial", neutral=neutral)

    def forward(self, x: Tensor) -> Tensor:
        """x with its channels and its positions rescaled, combined."""
        self.expect(x)
        squeezed = squeeze_positions(x, "mean")
        scored = self.spatial.score_positions(squeezed)
        channel, spatial = self.channel.weights(squeezed), self.spatial.weights(scored)
        if self.combine == "add":
            return apply_both(scored, channel, spatial)
        return maximum(apply_gate(x, channel), apply_gate(x, spatial))
