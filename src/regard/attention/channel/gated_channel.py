"""The gated channel transformation."""

import math
from typing import Literal

import torch
from torch import Tensor, nn, tanh

from regard.attention.layers import Rescaling
from regard.core import Facts, Paper, Start, Tap, widen
from regard.core.options import positive
from regard.kernels import Squeezed, squeeze_positions

Mode = Literal["l2", "l1"]


class GatedChannel(Rescaling):
    """Lets channels compete or cooperate by their sizes, with three numbers for each channel.

    s = alpha sqrt(sum of x^2 over positions + e),  y = x * (1 + tanh(gamma s / sqrt(mean of s^2 over channels + e) + beta))
    with `mode="l1"`: s = alpha sum of |x|, and gamma s / (mean of |s| + e)

    Yang, Zhu, Wu, Yang: Gated Channel Transformation for Visual Recognition, CVPR 2020, equations 3 (embedding),
    4 (normalisation) and 6 (gate). alpha starts at 1, gamma and beta at 0, so that it starts as the identity; the
    authors put it before every convolution. Where x is never negative, their `after_relu` is the same as `l1`.

    Args:
        channels: c.
        mode: `l2` or `l1`, how sizes are measured.
        epsilon: e.
        start: see `Features`; with `identity` gamma starts at 1.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> x = torch.randn(2, 64, 7, 5)
        >>> torch.equal(GatedChannel(64)(x), x)
        True
        >>> sum(p.numel() for p in GatedChannel(64).parameters())
        192
    """  # noqa: E501

    facts = Facts(
        name="gated_channel",
        family="channel",
        paper=Paper(
            title="Gated Channel Transformation for Visual Recognition",
            authors="Zongxin Yang and Linchao Zhu and Yu Wu and Yi Yang",
            year=2020,
            venue="CVPR",
            identifier="arXiv:1909.11519",
        ),
        authors_code="https://github.com/z-x-yang/GCT",
        departures=(
            "The mean of the squares over channels gets an epsilon under its root, as in the authors' code; the paper "
            "adds it to the sum.",
        ),
        parameters="3*c",
    )

    def __init__(self, channels: int, *, mode: Mode = "l2", epsilon: float = 1e-5, start: Start = "paper") -> None:
        super().__init__(channels, start=start)
        self.mode, self.epsilon = mode, positive("gated_channel", "epsilon", epsilon)
        self.alpha = nn.Parameter(torch.empty(channels))
        self.gamma = nn.Parameter(torch.empty(channels))
        self.beta = nn.Parameter(torch.empty(channels))
        self.gate = Tap("gate", high=2.0)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """alpha is 1, gamma and beta are 0; gamma is 1 where a `strength` holds the gate back."""
        nn.init.ones_(self.alpha)
        nn.init.constant_(self.gamma, 0.0 if self.strength is None else 1.0)
        nn.init.zeros_(self.beta)

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel rescaled."""
        self.expect(x)
        squeezed = squeeze_positions(x, "power") if self.mode == "l2" else x
        logits = widen(self.gamma) * self._relative_size(squeezed, x) + widen(self.beta)
        return self.rescale(squeezed, self.gate, 1 + tanh(logits))

    def _relative_size(self, squeezed: Tensor | Squeezed, x: Tensor) -> Tensor:
        """The size of each channel (b, c), as alpha scales it, over all channels' mean size."""
        if self.mode == "l1":
            sizes = widen(self.alpha) * widen(x).flatten(2).abs().sum(2)
            return sizes / (sizes.abs().mean(1, keepdim=True) + self.epsilon)
        squares = squeezed[0] * math.prod(x.shape[2:])
        sizes = widen(self.alpha) * (squares + self.epsilon).sqrt()
        return sizes / (sizes.square().mean(1, keepdim=True) + self.epsilon).sqrt()
