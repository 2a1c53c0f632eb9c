"""The simplified channel attention of NAFNet."""

import math

from torch import Tensor

from regard.attention.layers import Linear, Rescaling
from regard.core import Facts, Paper, Start, Tap
from regard.kernels import squeeze_positions


class SimpleChannel(Rescaling):
    """Rescales each channel by a weighted sum of all channels' means, with no bound.

    y = x * (W mean(x) + b), the mean taken over positions.

    Chen, Chu, Zhang, Sun: Simple Baselines for Image Restoration, ECCV 2022, equation 6: `se` without its hidden
    layer and without its sigmoid. It is quadratic in x.

    Args:
        channels: c.
        bias: whether the layer has a bias.
        start: see `Features`.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> SimpleChannel(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in SimpleChannel(64).parameters())
        4160
    """

    facts = Facts(
        name="simple_channel",
        family="channel",
        paper=Paper(
            title="Simple Baselines for Image Restoration",
            authors="Liangyu Chen and Xiaojie Chu and Xiangyu Zhang and Jian Sun",
            year=2022,
            venue="ECCV",
            identifier="arXiv:2204.04676",
        ),
        authors_code="https://github.com/megvii-research/NAFNet",
        parameters="c*c + bias*c",
    )

    def __init__(self, channels: int, *, bias: bool = True, start: Start = "paper") -> None:
        super().__init__(channels, start=start)
        self.score = Linear(channels, channels, bias=bias)
        self.gate = Tap("gate", low=-math.inf, high=math.inf)

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel rescaled."""
        self.expect(x)
        squeezed = squeeze_positions(x, "mean")
        return self.rescale(squeezed, self.gate, self.score.logits(squeezed[0]))
