"""Efficient local attention."""

import math

from torch import Tensor, nn

from regard.attention.axes import laid_along
from regard.attention.group_norm import group_normalise
from regard.attention.layers import Conv1d, Rescaling, group_count, sigmoid
from regard.core import Facts, OptionError, Paper, Start, Tap
from regard.core.options import at_least, odd
from regard.kernels import apply_axis_gates, squeeze_axes


class ELA(Rescaling):
    """Rescales each value by the means of the rows around its row, and of the columns around its column.

    y = x * sigmoid(norm_h(conv_h(z_h))) * sigmoid(norm_w(conv_w(z_w))), z_h the means of the rows, z_w of the columns

    Xu, Wan: ELA: Efficient Local Attention for Deep Convolutional Neural Networks, 2024. The convolutions
    run along the axis and have no bias; the norms are group normalisations. The paper's sizes are T (kernel 5, 32 norm
    groups), B (the default here), S (kernel 5, groups=c // 8) and L (kernel 7, groups=c // 8).

    Args:
        channels: c.
        kernel_size: k, odd.
        groups: of the convolutions; None takes c, each channel by itself.
        norm_groups: of the normalisations; None takes the largest number that divides c and 16, the paper's.
        shared: whether one convolution and one norm serve all axes.
        dims: position axes of x.
        start: see `Features`; one `strength` tempers every map.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same. The maps are (b, c, h, 1) and (b, c, 1, w).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> ELA(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in ELA(64).parameters())
        1152
    """

    facts = Facts(
        name="ela",
        family="mixed",
        paper=Paper(
            title="ELA: Efficient Local Attention for Deep Convolutional Neural Networks",
            authors="Wei Xu and Yi Wan",
            year=2024,
            venue="arXiv",
            published="preprint",
            identifier="arXiv:2403.01123",
        ),
        departures=(
            "Each axis has its own convolution and norm, as in the paper's equations; copies in circulation share "
            "them, which shared=True does.",
            "The default number of norm groups shrinks to one that divides the channels.",
        ),
        parameters="(1 if shared else dims)*(c*c//(groups or c)*kernel_size + 2*c)",
    )

    def __init__(
        self,
        channels: int,
        *,
        kernel_size: int = 7,
        groups: int | None = None,
        norm_groups: int | None = None,
        shared: bool = False,
        dims: int = 2,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        padding = odd("ela", "kernel_size", kernel_size) // 2
        groups = group_count("ela", groups, channels, channels)
        parts = _norm_groups(channels, norm_groups)
        copies = 1 if shared else dims
        self.dims = dims
        self.convs = nn.ModuleList(
            Conv1d(channels, channels, kernel_size, padding=padding, groups=groups, bias=False) for _ in range(copies)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(parts, channels) for _ in range(copies))
        self.gates = nn.ModuleList(Tap("mixed") for _ in range(dims))

    def forward(self, x: Tensor) -> Tensor:
        """x with every value rescaled, once for each axis."""
        self.expect(x, (self.dims,))
        squeezed, gates = squeeze_axes(x), []
        for axis, (means, tap) in enumerate(zip(squeezed, self.gates, strict=True)):
            own = axis if len(self.convs) > 1 else 0
            conv, norm = self.convs[own], self.norms[own]
            assert isinstance(conv, nn.Conv1d)
            assert isinstance(norm, nn.GroupNorm)
            gate = laid_along(sigmoid(group_normalise(norm, conv(means))), axis, self.dims)
            gates.append(self.show(x, tap, gate))
        return apply_axis_gates(squeezed, gates)


def _norm_groups(channels: int, norm_groups: int | None) -> int:
    if norm_groups is None:
        return math.gcd(16, channels)
    if channels % at_least("ela", "norm_groups", norm_groups, 1):
        raise OptionError(
            f"ela: norm_groups={norm_groups} is not allowed; it must divide the channels, {channels} "
            f"(try {math.gcd(norm_groups, channels)})."
        )
    return norm_groups
