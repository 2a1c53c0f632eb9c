"""Efficient multi-scale attention."""

from torch import Tensor, nn

from regard.attention.axes import axis_means, laid_along
from regard.attention.group_norm import group_normalise
from regard.attention.layers import Rescaling, convolution, group_count, over_positions, sigmoid, softmax
from regard.core import Facts, Paper, Start, Tap, widen
from regard.kernels import apply_gate


class MultiscaleEMA(Rescaling):
    """Rescales the positions of each group of channels by two views of the group: its strips and its surroundings.

    The channels are divided into g groups, which share all layers; for each group x, and each of its position axes i:
    s_i = sigmoid(W m_i + b), m_i the means over all other axes; u = norm(x * s_1 * s_2 ...); v = conv3x3(x)
    y = x * sigmoid(softmax(mean(u)) . v + softmax(mean(v)) . u), the means taken over positions, the softmax and the
    products (.) over the group's channels; the norm takes each channel of each image alone.

    Ouyang, He, Zhang, Luo, Guo, Zhan, Huang: Efficient Multi-Scale Attention Module with Cross-Spatial Learning,
    ICASSP 2023, section 3. Here it is called multi-scale, because EMA also stands for other things.

    Args:
        channels: c.
        groups: g, the authors' factor; None takes the largest that divides c and 32, theirs.
        dims: position axes of x.
        start: see `Features`; `strength` tempers the map of the groups, not those of the strips.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same. The map is (b, g, ...); the strips' are (b, c, ...) with
        1 instead of all position axes but one.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> MultiscaleEMA(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in MultiscaleEMA(64, groups=8).parameters())
        672
    """

    facts = Facts(
        name="multiscale_ema",
        family="mixed",
        paper=Paper(
            title="Efficient Multi-Scale Attention Module with Cross-Spatial Learning",
            authors=(
                "Daliang Ouyang and Su He and Guozhong Zhang and Mingzhu Luo and Huaiyong Guo and Jian Zhan and "
                "Zhijie Huang"
            ),
            year=2023,
            venue="ICASSP",
            identifier="arXiv:2305.13563",
        ),
        authors_code="https://github.com/YOLOonMe/EMA-attention-module",
        departures=(
            "The default number of groups shrinks to one that divides the channels; the authors' code fails on them.",
        ),
        parameters="w*w + w + 2*w + w*w*3**dims + w where w = c // (groups or gcd(32, c))",
    )

    def __init__(self, channels: int, *, groups: int | None = None, dims: int = 2, start: Start = "paper") -> None:
        super().__init__(channels, start=start)
        conv = convolution("multiscale_ema", dims)
        self.dims = dims
        self.groups = group_count("multiscale_ema", groups, 32, channels)
        width = channels // self.groups
        self.point = conv(width, width, 1)
        self.norm = nn.GroupNorm(width, width)
        self.around = conv(width, width, 3, padding=1)
        self.strips = nn.ModuleList(Tap("mixed") for _ in range(dims))
        self.spatial = Tap("spatial")

    def forward(self, x: Tensor) -> Tensor:
        """x with every position of every group rescaled."""
        self.expect(x, (self.dims,))
        grouped = x.reshape(-1, self.channels // self.groups, *x.shape[2:])
        along, around = self._along(grouped), self.around(grouped)
        logits = _cross_score(along, around) + _cross_score(around, along)
        gate = self.show(x, self.spatial, sigmoid(logits).reshape(-1, self.groups, *x.shape[2:]))
        wide = gate.unsqueeze(2).expand(-1, -1, self.channels // self.groups, *(-1,) * self.dims)
        return apply_gate(x, wide.reshape(x.shape))

    def _along(self, grouped: Tensor) -> Tensor:
        """The groups, rescaled by the strips along each axis, each channel normalised."""
        gated = widen(grouped)
        for axis, (tap, strip) in enumerate(zip(self.strips, axis_means(grouped), strict=True)):
            strip_gate = sigmoid(self.point(laid_along(strip, axis, self.dims)))
            gated = gated * tap(strip_gate.reshape(-1, self.channels, *strip_gate.shape[2:])).reshape(strip_gate.shape)
        return group_normalise(self.norm, gated)


def _cross_score(one: Tensor, other: Tensor) -> Tensor:
    """(b, 1, ...): the channels of the other view, weighted by the softmax of the means of the one."""
    shares = softmax(widen(one).flatten(2).mean(2), 1)
    return (over_positions(shares, one) * widen(other)).sum(1, keepdim=True)
