"""Coordinate attention."""

from typing import ClassVar

import torch
from torch import Tensor, nn, sigmoid
from torch.nn.functional import hardswish

from regard.attention.axes import axis_means, laid_along
from regard.attention.normalisation import GateNorm, saturated
from regard.core.facts import Facts, Paper
from regard.core.features import Features, Start
from regard.core.layout import Layout, Stored
from regard.core.options import at_least, flag, one_of
from regard.core.precision import widen
from regard.core.tap import Tap
from regard.kernels import apply_gate

STORED: dict[str, str | Stored] = {
    "reduce": Stored(name="conv1", axes=4),
    "norm": "bn1",
    "expand.0": Stored(name="conv_h", axes=4),
    "expand.1": Stored(name="conv_w", axes=4),
}
"""The names of the parameters, which timm took over from the authors' code."""


class Coord(Features):
    """Weighs each value by what its row, and by what its column, says about its channel.

    z = the means of each row and of each column, all in one sequence
    f = hardswish(norm(W z + v)), cut into its rows f_h and columns f_w
    y = x * sigmoid(W_h f_h + b_h) * sigmoid(W_w f_w + b_w)

    Hou, Zhou, Feng: Coordinate Attention for Efficient Mobile Network Design, CVPR 2021, equations 4 to 9. The norm
    sees rows and columns together. With three position axes there are three sequences of means, each over the two
    other axes; with one the sequence is x itself.

    Args:
        channels: c.
        reduction: r; the hidden layer has max(least, c // r) units.
        least: the smallest hidden width.
        bias: whether the layers have a bias.
        dims: position axes of x.
        strict: raise where batch normalisation would see one value, see `GateNorm`.
        start: see `Features`; one `strength` tempers every map.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same. The maps are (b, c, h, 1) and (b, c, 1, w).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> Coord(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in Coord(64).parameters())
        1688
    """

    facts: ClassVar[Facts] = Facts(
        name="coord",
        family="mixed",
        paper=Paper(
            title="Coordinate Attention for Efficient Mobile Network Design",
            authors="Qibin Hou and Daquan Zhou and Jiashi Feng",
            year=2021,
            venue="CVPR",
            identifier="arXiv:2103.02907",
        ),
        authors_code="https://github.com/houqb/CoordAttention",
        departures=(
            "As in the authors' code and unlike the paper's equations, the layers have biases and the first one is "
            "normalised.",
        ),
        parameters="c*h + h*bias + 2*h + dims*(h*c + c*bias) where h = max(least, c // reduction)",
    )
    layouts: ClassVar[tuple[Layout, ...]] = (
        Layout(library="official", twin="coordatt.CoordAtt", names=STORED, options={"dims": 2}),
        Layout(
            library="timm",
            twin="timm.layers.coord_attn.CoordAttn",
            names=STORED,
            options={"dims": 2},
            note="there bias=False is the default, and rd_channels must be the hidden width here",
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 32,
        least: int = 8,
        bias: bool = True,
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        at_least("coord", "least", least, 1)
        hidden = max(least, channels // at_least("coord", "reduction", reduction, 1))
        one_of("coord", "dims", dims, self.facts.dims)
        flag("coord", "bias", bias)
        flag("coord", "strict", strict)
        self.dims = dims
        self.reduce = nn.Conv1d(channels, hidden, 1, bias=bias)
        self.norm = GateNorm(hidden, strict=strict)
        self.expand = nn.ModuleList(nn.Conv1d(hidden, channels, 1, bias=bias) for _ in range(dims))
        self.gates = nn.ModuleList(Tap("mixed") for _ in range(dims))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The start of the authors' networks: He's initialisation by the fan out, zero biases."""
        self.norm.reset_parameters()
        for layer in (self.reduce, *self.expand):
            assert isinstance(layer, nn.Conv1d)
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x with every value weighed, once for each axis."""
        self.expect(x, (self.dims,))
        means = torch.cat(axis_means(x), 2).to(self.reduce.weight.dtype)
        hidden = hardswish(saturated(self.norm(self.reduce(means))))
        parts = hidden.split(list(x.shape[2:]), 2)
        for axis, (part, expand, tap) in enumerate(zip(parts, self.expand, self.gates, strict=True)):
            map = self.temper(sigmoid(widen(expand(part))))
            x = apply_gate(x, tap(laid_along(map, axis, self.dims)))
        return x
