"""Channel prior convolutional attention."""

import math
from typing import Literal

from torch import Tensor, nn, relu
from torch.nn.functional import gelu

from regard.attention.layers import Linear, Rescaling, convolution, hidden_width, over_positions, sigmoid
from regard.attention.strips import depthwise_convolution, strip_convolution
from regard.core import Facts, Paper, Start, Tap
from regard.kernels import apply_gate, squeeze_positions

Sigmoids = Literal["each", "sum"]
LENGTHS = (7, 11, 21)
"""Of the strips."""


class CPCA(Rescaling):
    """Rescales each channel, then each value by depthwise strips of several lengths around it.

    u = x * (sigmoid(mlp(mean(x))) + sigmoid(mlp(max(x)))), mlp(s) = W1 relu(W0 s + b0) + b1
    z = conv5x5(u);  y = u * mix(z + sum of strips_k(z)), k = 7, 11, 21, all depthwise but the 1x1 convolution `mix`;
    strips_k is a strip of k positions along each axis, one after the other, the last axis first

    Huang, Chen, Zou, Lu, Chen: Channel prior convolutional attention for medical image segmentation, Computers in
    Biology and Medicine 2024, section 3. There the sigmoid is taken of the sum, as in `cbam`. The second map has no
    sigmoid. In the authors' network x passes `mix` and a GELU before the attention, and y passes `mix` after it.

    Args:
        channels: c.
        reduction: r; the hidden layer has max(1, c // r) units.
        sigmoids: `each` (the authors' code) or `sum` (the paper).
        projections: the layers around the attention, as in the authors' network.
        dims: position axes of x.
        start: see `Features`; one `strength` tempers both maps, or with projections y - x.

    Shape:
        x (b, c, ...) with `dims` position axes; y and the second map the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> CPCA(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in CPCA(64).parameters())
        13328
    """

    facts = Facts(
        name="cpca",
        family="mixed",
        paper=Paper(
            title="Channel prior convolutional attention for medical image segmentation",
            authors="Hejun Huang and Zuguo Chen and Ying Zou and Ming Lu and Chaoyang Chen",
            year=2024,
            venue="Computers in Biology and Medicine",
            published="journal",
            identifier="arXiv:2306.05196",
        ),
        authors_code="https://github.com/Cuthbert-Huang/CPCANet",
        departures=(
            "The default adds two sigmoids, as the authors' code does; the paper takes the sigmoid of the sum.",
            "The default is the attention of the paper's equations; the layers that surround it in the authors' code, "
            "which share the weights of its 1x1 convolution, come with projections=True.",
            "The hidden width is never under 1, so that a narrow layer still sees its input.",
            "Positions that tie for the maximum share its gradient, which is deterministic on CUDA; the authors' code "
            "gives it to one of them.",
        ),
        parameters=(
            "2*c*h + h + c + c*5**dims + c + dims*c*(7 + 11 + 21 + 3) + c*c + c where h = max(1, c // reduction)"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 4,
        sigmoids: Sigmoids = "each",
        projections: bool = False,
        dims: int = 2,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        conv = convolution("cpca", dims)
        self.dims, self.sigmoids, self.projections = dims, sigmoids, projections
        if projections:
            self.amend(bare=False)
        hidden = hidden_width("cpca", channels, reduction)
        self.reduce = Linear(channels, hidden)
        self.expand = Linear(hidden, channels)
        self.around = depthwise_convolution("cpca", dims, channels, 5)
        self.strips = nn.ModuleList(
            nn.Sequential(*(strip_convolution("cpca", dims, axis, channels, k) for axis in reversed(range(dims))))
            for k in LENGTHS
        )
        self.mix = conv(channels, channels, 1)
        self.channel = Tap("gate", high=2.0 if sigmoids == "each" else 1.0)
        self.gate = Tap("mixed", low=-math.inf, high=math.inf)

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel and then every value rescaled."""
        self.expect(x, (self.dims,))
        if not self.projections:
            return self._attend(x)
        return self.blend(x, self.mix(self._attend(gelu(self.mix(x)))))

    def _attend(self, x: Tensor) -> Tensor:
        x = self._rescale(x, self.channel, self._channel_map(x))
        near = self.around(x)
        far = near
        for strips in self.strips:
            far = far + strips(near)
        return self._rescale(x, self.gate, self.mix.logits(far))

    def _channel_map(self, x: Tensor) -> Tensor:
        mean, peak = (
            self.expand.logits(relu(self.reduce(statistic))) for statistic in squeeze_positions(x, "mean", "max")
        )
        return sigmoid(mean) + sigmoid(peak) if self.sigmoids == "each" else sigmoid(mean + peak)

    def _rescale(self, x: Tensor, tap: Tap, gate: Tensor) -> Tensor:
        return apply_gate(x, tap(over_positions(gate, x))) if self.projections else self.rescale(x, tap, gate)
