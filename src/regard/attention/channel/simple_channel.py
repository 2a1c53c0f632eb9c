"""The simplified channel attention of NAFNet."""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from regard.attention.bottleneck import over_positions, scored
from regard.core.facts import Facts, Paper
from regard.core.features import Features, Start
from regard.core.layout import Layout, Stored
from regard.core.options import flag
from regard.core.tap import Tap
from regard.kernels import apply_gate, squeeze_positions

HALVES = (torch.float16, torch.bfloat16)


class SimpleChannel(Features):
    """Weighs each channel by a weighted sum of all channels' means, with no bound.

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
        >>> SimpleChannel(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in SimpleChannel(64).parameters())
        4160
    """

    facts: ClassVar[Facts] = Facts(
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
        departures=(
            "In a half y stays at the largest number that there is, where the product of two large ones would be "
            "infinite.",
        ),
        map_range=(-math.inf, math.inf),
        parameters="c*c + bias*c",
    )
    layouts: ClassVar[tuple[Layout, ...]] = (
        Layout(
            library="official",
            twin="basicsr.models.archs.NAFNet_arch.NAFBlock.sca",
            names={"score": Stored(name="1", axes=4)},
        ),
    )

    def __init__(self, channels: int, *, bias: bool = True, start: Start = "paper") -> None:
        super().__init__(channels, start=start)
        self.score = nn.Linear(channels, channels, bias=flag("simple_channel", "bias", bias))
        self.gate = Tap("gate", low=-math.inf, high=math.inf)

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel weighed."""
        self.expect(x)
        (mean,) = squeeze_positions(x, "mean")
        gate = self.temper(scored(mean, self.score))
        y = apply_gate(x, self.gate(over_positions(gate, x)))
        return y.clamp(torch.finfo(y.dtype).min, torch.finfo(y.dtype).max) if y.dtype in HALVES else y
