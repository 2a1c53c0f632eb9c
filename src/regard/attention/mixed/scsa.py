"""Spatial and channel synergistic attention."""

import torch
from torch import Tensor, nn

from regard.attention.axes import laid_along
from regard.attention.layers import Conv1d, Rescaling, group_count, sigmoid, softmax
from regard.attention.part_norm import PartNorm
from regard.core import Facts, Paper, Start, Tap, widen
from regard.core.options import at_least
from regard.core.products import wide_product
from regard.kernels import apply_axis_gates, squeeze_axes

KERNEL_SIZES = (3, 5, 7, 9)
"""Of the convolutions along the strips, one for each quarter of the channels."""


class SCSA(Rescaling):
    """Rescales rows and columns by strips at four scales, then channels by self-attention among them.

    For each position axis i: s_i = sigmoid(norm_i(conv(m_i))), m_i the means of x over all other axes; conv filters
    each channel alone, in each quarter of the channels with another kernel, of 3, 5, 7 and 9 positions, the same ones
    along every axis; norm_i takes each quarter alone. u = x * s_1 * s_2 ...
    q, k, v = norm(pool(u)) times a weight of each channel, pool the means of windows of 7x7, the norm over everything
    y = u * sigmoid(mean(softmax(q k' / sqrt(d)) v)), the softmax over channels, the mean over windows, d channels of
    a head

    Si, Xu, Zhu, Zhang, Dong, Chen, Li: SCSA: Exploring the synergistic effects between spatial and channel attention,
    Neurocomputing 2025, section 3.

    Args:
        channels: c.
        heads: in how many parts channels look at one another.
        window: the size of the windows.
        dims: position axes of x.
        start: see `Features`; one `strength` tempers the maps of the strips and of the channels.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same. The maps are (b, c, h, 1) and (b, c, 1, w) for images,
        (b, heads, d, d) and (b, c, 1, 1).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> SCSA(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in SCSA(64).parameters())
        1024
    """

    facts = Facts(
        name="scsa",
        family="mixed",
        paper=Paper(
            title="SCSA: Exploring the synergistic effects between spatial and channel attention",
            authors=(
                "Yunzhong Si and Huiying Xu and Xinzhong Zhu and Wenhao Zhang and Yao Dong and Yuxing Chen and "
                "Hongbo Li"
            ),
            year=2025,
            venue="Neurocomputing",
            published="journal",
            identifier="arXiv:2407.05128",
        ),
        authors_code="https://github.com/HZAI-ZJNU/SCSA",
        departures=(
            "Channels that 4 does not divide are divided as evenly as possible; the authors' code fails on them.",
            "An image smaller than a window is one window; the authors' code fails on it.",
        ),
        parameters=("c + sum((2*i + 3)*(c // 4 + (i < c % 4)) for i in range(4)) + 2*c*dims + 2*c + 3*c"),
    )

    def __init__(
        self, channels: int, *, heads: int = 1, window: int = 7, dims: int = 2, start: Start = "paper"
    ) -> None:
        super().__init__(channels, start=start)
        self.dims = dims
        self.heads = group_count("scsa", at_least("scsa", "heads", heads, 1), 1, channels)
        self.window = at_least("scsa", "window", window, 1)
        quarters = tuple(channels // 4 + (i < channels % 4) for i in range(4))
        self.parts = tuple(part for part in quarters if part)
        self.strip_convs = nn.ModuleList(
            Conv1d(part, part, size, padding=size // 2, groups=part)
            for part, size in zip(self.parts, KERNEL_SIZES, strict=False)
        )
        self.strip_norms = nn.ModuleList(PartNorm(self.parts) for _ in range(dims))
        self.strips = nn.ModuleList(Tap("mixed") for _ in range(dims))
        self.norm = PartNorm((channels,))
        self.query = Conv1d(channels, channels, 1, groups=channels, bias=False)
        self.key = Conv1d(channels, channels, 1, groups=channels, bias=False)
        self.value = Conv1d(channels, channels, 1, groups=channels, bias=False)
        self.affinity = Tap("affinity", shares="channel")
        self.gate = Tap("gate")

    def forward(self, x: Tensor) -> Tensor:
        """x with every row, every column and every channel rescaled."""
        self.expect(x, (self.dims,))
        squeezed = squeeze_axes(x)
        x = apply_axis_gates(squeezed, [self._strip(strip, axis) for axis, strip in enumerate(squeezed)])
        pooled, windows = _windows(widen(x), self.window)
        pooled = self.norm(pooled, windows).flatten(2).to(self.query.weight.dtype)
        q, k = (self._in_heads(layer(pooled)) for layer in (self.query, self.key))
        mean = self._in_heads(widen(self.value(pooled)).sum(2, keepdim=True) / windows.sum())
        shares = softmax(wide_product(q, k.transpose(2, 3)) * (self.channels // self.heads) ** -0.5, 3)
        attended = wide_product(self.affinity(shares), mean)
        return self.rescale(x, self.gate, sigmoid(attended.reshape(-1, self.channels)))

    def _strip(self, strip: Tensor, axis: int) -> Tensor:
        """The map of the positions along one axis, (b, c, 1 ..., n, 1 ...)."""
        parts = strip.split(list(self.parts), 1)
        filtered = [conv(part) for conv, part in zip(self.strip_convs, parts, strict=True)]
        gate = sigmoid(self.strip_norms[axis](torch.cat(filtered, 1)))
        return self.show(strip, self.strips[axis], laid_along(gate, axis, self.dims))

    def _in_heads(self, x: Tensor) -> Tensor:
        """(b, c, n) as (b, heads, c / heads, n)."""
        return x.flatten(2).unflatten(1, (self.heads, -1))


def _windows(x: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """The means of the windows that fit into x, (b, c, ...), and 1 for each, (...).

    Along each axis there is a number of windows beyond those, of mean 0 and mark 0: an export would take a single one,
    as a small image has, for the only number that there can be.
    """
    marks = x.new_ones(())
    for axis in range(2, x.ndim):
        indices = torch.arange(x.shape[axis], device=x.device)
        numbers = torch.arange(x.shape[axis] // window + 2, device=x.device)
        inside = indices[:, None] // window == numbers
        counts = inside.sum(0)
        taken = (counts == window) | (numbers == 0)
        shares = inside.to(x.dtype) * taken / counts.clamp_min(1)
        x = wide_product(x.movedim(axis, -1), shares).movedim(-1, axis)
        marks = marks[..., None] * taken.to(x.dtype)
    return x, marks
