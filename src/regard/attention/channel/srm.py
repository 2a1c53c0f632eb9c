"""The style-based recalibration module."""

import torch
from torch import Tensor, nn

from regard.attention.layers import Norm, Rescaling, sigmoid
from regard.core import Facts, Paper, Start, Tap, widen
from regard.core.options import not_negative
from regard.kernels import squeeze_positions


class SRM(Rescaling):
    """Rescales each channel by its own mean and standard deviation, normalised over the batch.

    y = x * sigmoid(norm(w1 mean(x) + w2 std(x))), both over positions, two weights for each channel, the
    normalisation over the batch.

    Lee, Kim, Nam: SRM: A Style-based Recalibration Module for Convolutional Neural Networks, ICCV 2019, equations 1
    to 3 (statistics, style), 4 (weighted sum) and 5 (gate). The paper divides the squares by the number of
    positions; the authors' code by one less. As there, the weights start at 0, so that the map starts at 1/2.

    Args:
        channels: c.
        unbiased: whether the variance is divided by one less than the positions (code) or by their number (paper).
        epsilon: added to the variance under the root: 1e-5 (code) or 0 (paper).
        strict: raise where batch normalisation would see one value, see `Norm`.
        start: see `Features`.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> SRM(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in SRM(64).parameters())
        256
    """

    facts = Facts(
        name="srm",
        family="channel",
        paper=Paper(
            title="SRM: A Style-based Recalibration Module for Convolutional Neural Networks",
            authors="HyunJae Lee and Hyo-Eun Kim and Hyeonseob Nam",
            year=2019,
            venue="ICCV",
            identifier="arXiv:1903.10829",
        ),
        authors_code="https://github.com/hyunjaelee410/style-based-recalibration-module",
        departures=(
            "The standard deviation divides by one less than the positions, as in the authors' code and not in the "
            "paper.",
            "It has 1e-5 under its root, as the authors' code.",
            "A single position has the standard deviation 0; the authors' code returns NaN.",
        ),
        parameters="4*c",
    )

    def __init__(
        self,
        channels: int,
        *,
        unbiased: bool = True,
        epsilon: float = 1e-5,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        self.unbiased = unbiased
        self.epsilon = not_negative("srm", "epsilon", epsilon)
        self.style = nn.Parameter(torch.empty(channels, 2))
        self.norm = Norm(channels, strict=strict)
        self.gate = Tap("gate")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the weights to 0, or to 1 where a `strength` holds the gate back: the norm of zeros has no gradient."""
        nn.init.constant_(self.style, 0.0 if self.strength is None else 1.0)
        self.norm.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel rescaled."""
        self.expect(x)
        squeezed = squeeze_positions(x, "mean", "std")
        mean, std = squeezed
        if self.unbiased:
            std = std * _correction(x, std)
        if self.epsilon:
            std = (std.square() + self.epsilon).sqrt()
        style = widen(self.style)
        score = mean * style[:, 0] + std * style[:, 1]
        return self.rescale(squeezed, self.gate, sigmoid(self.norm(score)))


def _correction(x: Tensor, like: Tensor) -> Tensor:
    """The root of n / (n - 1) for n positions, 1 for a single one."""
    count = torch.ones(x.shape[2:], dtype=like.dtype, device=like.device).sum()
    return (count / (count - 1).clamp_min(1)).sqrt()
