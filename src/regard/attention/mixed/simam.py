"""The simple, parameter-free attention module."""

from torch import Tensor

from regard.attention.bessel import bessel
from regard.attention.layers import Rescaling, over_positions, sigmoid
from regard.core import Facts, Paper, Start, Tap, widen
from regard.core.options import positive
from regard.kernels import squeeze_positions

LOWEST = 0.622
"""A little under sigmoid(1/2), the map where a value equals its channel's mean."""


class SimAM(Rescaling):
    """Rescales each value by its distance from its channel's mean, without any parameter.

    y = x * sigmoid(1 / e), 1 / e = (x - mean)^2 / (4 (variance + lambda)) + 1/2, both taken over positions.

    Yang, Zhang, Li, Xie: SimAM: A Simple, Parameter-Free Attention Module for Convolutional Neural Networks, ICML 2021,
    equations 5 (the energy e) and 6. The paper divides the sum of squares by the n positions, the authors' code, from
    which the published results are, by n - 1.

    Args:
        channels: c (only checked: nothing depends on it).
        regularisation: lambda, which keeps the quotient finite; 1e-4 in the paper and on CIFAR, 0.1 in the authors'
            released ImageNet networks.
        unbiased: whether the variance divides by n - 1 (the authors' code) or n (paper).
        start: see `Features`.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> SimAM(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> len(list(SimAM(64).parameters()))
        0
    """

    facts = Facts(
        name="simam",
        family="mixed",
        paper=Paper(
            title="SimAM: A Simple, Parameter-Free Attention Module for Convolutional Neural Networks",
            authors="Lingxiao Yang and Ru-Yuan Zhang and Lida Li and Xiaohua Xie",
            year=2021,
            venue="ICML",
            identifier="pmlr:v139/yang21o",
        ),
        authors_code="https://github.com/ZjjConan/SimAM",
        departures=(
            "The default divides the variance by one less than the positions, as the authors' code does and not the "
            "paper.",
            "A single position has the variance 0, so its map is sigmoid(1/2); the authors' code gives no number.",
        ),
        parameters="0",
    )

    def __init__(
        self, channels: int, *, regularisation: float = 1e-4, unbiased: bool = True, start: Start = "paper"
    ) -> None:
        super().__init__(channels, start=start)
        self.regularisation = positive("simam", "regularisation", regularisation)
        self.unbiased = unbiased
        self.gate = Tap("mixed", low=LOWEST)

    def forward(self, x: Tensor) -> Tensor:
        """x with every value rescaled."""
        self.expect(x)
        squeezed = squeeze_positions(x, "mean", "std")
        mean, std = (over_positions(statistic, x) for statistic in squeezed)
        variance = std.square() * (bessel(x) if self.unbiased else 1)
        importance = (widen(x) - mean).square() / (4 * (variance + self.regularisation)) + 0.5
        return self.rescale(squeezed, self.gate, sigmoid(importance))
