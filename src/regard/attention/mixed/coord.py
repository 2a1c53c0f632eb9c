"""Coordinate attention."""

from torch import Tensor, nn
from torch.nn.functional import hardswish

from regard.attention.axes import laid_along
from regard.attention.layers import Norm, Pointwise1d, Rescaling, hidden_width, sigmoid
from regard.core import Facts, Paper, Start, Tap
from regard.core.options import at_least
from regard.kernels import apply_axis_gates, squeeze_axes


class Coord(Rescaling):
    """Rescales each value by a gate of its row and a gate of its column, one for each channel.

    z = the means of each row and of each column, all in one sequence
    f = hardswish(norm(W z + v)), cut into its rows f_h and columns f_w
    y = x * sigmoid(W_h f_h + b_h) * sigmoid(W_w f_w + b_w)

    Hou, Zhou, Feng: Coordinate Attention for Efficient Mobile Network Design, CVPR 2021, equations 4 to 9. The norm
    sees rows and columns together. With three position axes there are three sequences of means, each over the two
    other axes; with one the sequence is x itself.

    Args:
        channels: c.
        reduction: r; the hidden layer has max(least, c // r) units.
        hidden: units of the hidden layer instead of that rule; None means the rule.
        least: the smallest hidden width.
        bias: whether the layers have a bias.
        dims: position axes of x.
        strict: raise where batch normalisation would see one value, see `Norm`.
        start: see `Features`; one `strength` tempers every map.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same. The maps are (b, c, h, 1) and (b, c, 1, w).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> Coord(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in Coord(64).parameters())
        1688
    """

    facts = Facts(
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
        parameters="c*h + h*bias + 2*h + dims*(h*c + c*bias) where h = hidden or max(least, c // reduction)",
    )

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 32,
        hidden: int | None = None,
        least: int = 8,
        bias: bool = True,
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        at_least("coord", "least", least, 1)
        width = hidden_width("coord", channels, reduction, hidden, least)
        self.dims = dims
        self.reduce = Pointwise1d(channels, width, bias=bias)
        self.norm = Norm(width, strict=strict)
        self.expand = nn.ModuleList(Pointwise1d(width, channels, bias=bias) for _ in range(dims))
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
        """x with every value rescaled, once for each axis."""
        self.expect(x, (self.dims,))
        squeezed = squeeze_axes(x)
        hidden = self.reduce(squeezed.joined).contiguous()  # compilers mistake the strides of a norm's gradient
        parts = squeezed.split(hardswish(self.norm(hidden)))
        gates = [
            self.show(x, tap, laid_along(sigmoid(expand(part)), axis, self.dims))
            for axis, (part, expand, tap) in enumerate(zip(parts, self.expand, self.gates, strict=True))
        ]
        return apply_axis_gates(squeezed, gates)
