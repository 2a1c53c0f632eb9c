"""Global response normalisation."""

import math

import torch
from torch import Tensor, nn

from regard.attention.layers import over_positions
from regard.core import Facts, Features, Paper, Start, Tap, widen
from regard.core.options import positive
from regard.kernels import apply_gate


class GRN(Features):
    """Adds to each channel a share of itself that is the larger, the larger it is beside the other channels.

    y = x + gamma x * n + beta,  n = g / (mean of g over channels + e),  g = sqrt(sum of x^2 over positions)

    Woo, Debnath, Hu, Chen, Liu, Kweon, Xie: ConvNeXt V2: Co-designing and Scaling ConvNets with Masked Autoencoders,
    CVPR 2023, equations 1 to 3 and algorithm 1. There it lies between the two layers of a block's inverted bottleneck.
    gamma and beta start at 0, so that it starts as the identity. The map is n: 1 for a channel of mean size.

    Args:
        channels: c.
        epsilon: e.
        start: see `Features`; with `identity` gamma starts at 1.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> x = torch.randn(2, 64, 7, 5)
        >>> torch.equal(GRN(64)(x), x)
        True
        >>> sum(p.numel() for p in GRN(64).parameters())
        128
    """

    facts = Facts(
        name="grn",
        family="channel",
        paper=Paper(
            title="ConvNeXt V2: Co-designing and Scaling ConvNets with Masked Autoencoders",
            authors=(
                "Sanghyun Woo and Shoubhik Debnath and Ronghang Hu and Xinlei Chen and Zhuang Liu and In So Kweon "
                "and Saining Xie"
            ),
            year=2023,
            venue="CVPR",
            identifier="arXiv:2301.00808",
        ),
        authors_code="https://github.com/facebookresearch/ConvNeXt-V2",
        departures=(
            "g is divided by the mean over the channels, as in the authors' code; equation 2 of the paper has the sum.",
            "The channels are the second axis; in the authors' code they are the last.",
        ),
        bare=False,
        parameters="2*c",
    )

    def __init__(self, channels: int, *, epsilon: float = 1e-6, start: Start = "paper") -> None:
        super().__init__(channels, start=start)
        self.epsilon = positive("grn", "epsilon", epsilon)
        self.gamma = nn.Parameter(torch.empty(channels))
        self.beta = nn.Parameter(torch.empty(channels))
        self.response = Tap("gate", high=math.inf)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Both are 0 as published; gamma is 1 where a `strength` holds back what is added."""
        nn.init.constant_(self.gamma, 0.0 if self.strength is None else 1.0)
        nn.init.zeros_(self.beta)

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel strengthened by its share."""
        self.expect(x)
        sizes = torch.linalg.vector_norm(widen(x).flatten(2), dim=2)
        shares = sizes / (sizes.mean(1, keepdim=True) + self.epsilon)
        response = self.response(over_positions(shares, x))
        gamma, beta = (widen(values).reshape(-1, *(1,) * (x.ndim - 2)) for values in (self.gamma, self.beta))
        return self.add(x, apply_gate(widen(x), gamma * response) + beta)
