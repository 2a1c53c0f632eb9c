"""The channel attention of DANet."""

from typing import Literal

import torch
from torch import Tensor, nn

from regard.attention.layers import softmax
from regard.core import Facts, Features, Paper, Start, Tap
from regard.core.products import wide_product

Energy = Literal["difference", "product"]


class DualChannel(Features):
    """Adds to every channel a weighted mean of all channels.

    y = x + gamma softmax(E) x over channels, E = x x' summed over positions, or E = max(x x') - x x' for each channel

    Fu, Liu, Tian, Li, Bao, Fang, Lu: Dual Attention Network for Scene Segmentation, CVPR 2019, section 3.3,
    equations 3 (softmax) and 4 (sum). gamma begins at 0. The second form of E, by which the least alike channels
    have the largest weights, is the authors' code's; the paper has the first.

    Args:
        channels: c.
        energy: `difference` from the largest product (authors' code), or `product` (paper).
        start: see `Features`; with `identity` gamma begins at 1.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> DualChannel(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
    """

    facts = Facts(
        name="dual_channel",
        family="channel",
        act="aggregate",
        paper=Paper(
            title="Dual Attention Network for Scene Segmentation",
            authors="Jun Fu and Jing Liu and Haijie Tian and Yong Li and Yongjun Bao and Zhiwei Fang and Hanqing Lu",
            year=2019,
            venue="CVPR",
            identifier="arXiv:1809.02983",
        ),
        authors_code="https://github.com/junfu1115/DANet",
        departures=(
            "The default energy is the difference of each product from the largest, as in the authors' code; the paper "
            "takes the products.",
        ),
        at="stage",
        parameters="1",
    )

    def __init__(self, channels: int, *, energy: Energy = "difference", start: Start = "paper") -> None:
        super().__init__(channels, start=start)
        self.energy = energy
        self.gamma = nn.Parameter(torch.zeros(1))
        self.map = Tap("affinity", shares="channel")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """gamma is 0 as published, or 1 where a `strength` holds the sum back."""
        nn.init.constant_(self.gamma, 0.0 if self.strength is None else 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """x with a mean of its channels added to each."""
        self.expect(x)
        return self.add(x, self.residual(x))

    def residual(self, x: Tensor) -> Tensor:
        """The sum that is added to x."""
        values = x.flatten(2)
        products = wide_product(values, values.transpose(1, 2))
        # A softmax is invariant to a constant added to all its logits: max - x x' and -x x' give the same.
        shares = softmax(-products if self.energy == "difference" else products, -1)
        attn = self.map(shares.unsqueeze(1)).squeeze(1)
        return self.gamma * wide_product(attn, values).reshape(x.shape)
