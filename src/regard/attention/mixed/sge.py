"""Spatial group-wise enhance."""

import torch
from torch import Tensor, nn

from regard.attention.bessel import bessel
from regard.attention.layers import Rescaling, group_count, sigmoid
from regard.core import Facts, Paper, Start, Tap, widen
from regard.kernels import apply_gate, squeeze_positions

EPSILON = 1e-5
"""The constant that is added to the standard deviation."""


class SGE(Rescaling):
    """Rescales, in each group of channels, every position by how much it resembles the group's mean vector.

    s_i = mean(x) . x_i, the product of the group's mean vector and its vector at position i
    y_i = x_i * sigmoid(w t_i + b), t = (s - mean(s)) / (std(s) + 1e-5), w and b one number for each group

    Li, Hu, Yang: Spatial Group-wise Enhance: Improving Semantic Feature Learning in Convolutional Networks, 2019,
    section 3. The variance of s divides by the n positions in the paper and by n - 1 in the authors' code, whose
    weights exist. It starts with w = 0 and b = 1, so every map starts at sigmoid(1).

    Args:
        channels: c.
        groups: of the channels; None takes the largest number that divides them and 64, the published one.
        unbiased: whether the variance divides by n - 1 (released weights) or n (paper).
        start: see `Features`.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same. The map is (b, groups, ...).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> SGE(256)(torch.randn(2, 256, 7, 5)).shape
        torch.Size([2, 256, 7, 5])
        >>> sum(p.numel() for p in SGE(256).parameters())
        128
    """

    facts = Facts(
        name="sge",
        family="mixed",
        paper=Paper(
            title="Spatial Group-wise Enhance: Improving Semantic Feature Learning in Convolutional Networks",
            authors="Xiang Li and Xiaolin Hu and Jian Yang",
            year=2019,
            venue="arXiv",
            published="preprint",
            identifier="arXiv:1905.09646",
        ),
        authors_code="https://github.com/implus/PytorchInsight",
        departures=(
            "The default divides the variance by one less than the positions, as the authors' code does and not the "
            "paper.",
            "Statistics are computed in at least float32, where the authors' code overflows in float16.",
            "A single position has the standard deviation 0; the authors' code returns NaN.",
            "The default number of groups shrinks to one that divides the channels.",
        ),
        parameters="2*g where g = groups or gcd(64, c)",
    )

    def __init__(
        self, channels: int, *, groups: int | None = None, unbiased: bool = True, start: Start = "paper"
    ) -> None:
        super().__init__(channels, start=start)
        self.groups = group_count("sge", groups, 64, channels)
        self.unbiased = unbiased
        self.weight = nn.Parameter(torch.empty(self.groups))
        self.bias = nn.Parameter(torch.empty(self.groups))
        self.gate = Tap("spatial")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: maps of sigmoid(1) everywhere; with `start="identity"` they follow the features."""
        nn.init.constant_(self.weight, 0.0 if self.strength is None else 1.0)
        nn.init.ones_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x with every position of every group rescaled."""
        self.expect(x)
        ones = (1,) * (x.ndim - 2)
        (mean,) = squeeze_positions(x, "mean")
        products = (widen(x) * mean.reshape(*mean.shape, *ones)).unflatten(1, (self.groups, -1)).sum(2)
        centre, std = (s.reshape(*s.shape, *ones) for s in squeeze_positions(products, "mean", "std"))
        std = std * (bessel(x).sqrt() if self.unbiased else 1)
        weight, bias = (widen(values).reshape(1, -1, *ones) for values in (self.weight, self.bias))
        logits = weight * ((products - centre) / (std + EPSILON)) + bias
        gate = self.show(x, self.gate, sigmoid(logits))
        share = self.channels // self.groups
        return apply_gate(x, gate.unsqueeze(2).expand(-1, -1, share, *(-1,) * len(ones)).flatten(1, 2))
