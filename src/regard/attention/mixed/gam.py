"""The global attention mechanism."""

import math
from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn, relu

from regard.attention.layers import Linear, Norm, Rescaling, convolution, group_count, hidden_width, sigmoid
from regard.core import Facts, Paper, Start, Tap
from regard.core.options import at_least, odd

Score = Literal["sigmoid", "linear"]


class GAM(Rescaling):
    """Rescales each value by its position's channels, then by its surroundings, without any pooling.

    x' = x * sigmoid(W2 relu(W1 x + b1) + b2), the product of W and x taken at each position
    y = x' * sigmoid(norm(conv2(relu(norm(conv1(x')))))), both convolutions k x k with bias, to c / r channels and back

    Liu, Shao, Hoffmann: Global Attention Mechanism: Retain Information to Enhance Channel-Spatial Interactions, 2021,
    equations 1 and 2. In the paper's larger networks the convolutions are grouped and the second map's channels
    shuffled between the groups.

    Args:
        channels: c.
        reduction: r; both halves have max(1, c // r) hidden channels.
        kernel_size: k, odd.
        groups: of the convolutions; from 2 on the second map's channels are shuffled.
        score: `sigmoid` (paper), or `linear`, which leaves the first map as it is, any number.
        dims: position axes of x.
        strict: raise where batch normalisation would see one value, see `Norm`.
        start: see `Features`; one `strength` tempers both maps.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> GAM(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in GAM(64).parameters())
        102720
    """

    facts = Facts(
        name="gam",
        family="mixed",
        paper=Paper(
            title="Global Attention Mechanism: Retain Information to Enhance Channel-Spatial Interactions",
            authors="Yichao Liu and Zongru Shao and Nico Hoffmann",
            year=2021,
            venue="arXiv",
            published="preprint",
            identifier="arXiv:2112.05561",
        ),
        departures=(
            "The first map ends with the sigmoid of the paper's figure; the copies in circulation leave it out, which "
            "score='linear' does.",
            "The hidden width is never under 1, so that a narrow layer still sees its input.",
        ),
        parameters="2*c*h + 2*c*h//groups*kernel_size**dims + 4*h + 4*c where h = max(1, c // reduction)",
    )

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 4,
        kernel_size: int = 7,
        groups: int = 1,
        score: Score = "sigmoid",
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        hidden = hidden_width("gam", channels, reduction)
        padding = odd("gam", "kernel_size", kernel_size) // 2
        conv = convolution("gam", dims)
        groups = group_count("gam", at_least("gam", "groups", groups, 1), 1, channels, hidden)
        self.groups, self.score, self.dims = groups, score, dims
        self.reduce = Linear(channels, hidden)
        self.expand = Linear(hidden, channels)
        self.around = nn.Sequential(
            OrderedDict(
                reduce=conv(channels, hidden, kernel_size, padding=padding, groups=groups),
                reduce_norm=Norm(hidden, strict=strict),
                relu=nn.ReLU(),
                expand=conv(hidden, channels, kernel_size, padding=padding, groups=groups),
                expand_norm=Norm(channels, strict=strict),
            )
        )
        self.own = Tap("mixed")
        self.spatial = Tap("mixed")
        if score == "linear":
            self.own = Tap("mixed", low=-math.inf, high=math.inf)

    def forward(self, x: Tensor) -> Tensor:
        """x with every value rescaled twice."""
        self.expect(x, (self.dims,))
        x = self.rescale(x, self.own, self._own_map(x))
        gate = sigmoid(self.around(x))
        if self.groups > 1:
            gate = gate.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)
        return self.rescale(x, self.spatial, gate)

    def _own_map(self, x: Tensor) -> Tensor:
        """(b, c, ...): the gate of each value, made of its position's channels."""
        scores = self.expand.logits(relu(self.reduce(x.movedim(1, -1))))
        return (sigmoid(scores) if self.score == "sigmoid" else scores).movedim(-1, 1)
