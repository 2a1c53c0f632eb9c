"""The bottleneck attention module."""

from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from regard.attention.layers import Linear, Norm, Rescaling, convolution, hidden_width, over_positions, sigmoid
from regard.core import Facts, Paper, Start, Tap, widen
from regard.core.options import at_least
from regard.kernels import apply_both, squeeze_positions

Combine = Literal["mul", "add"]

SIGMOIDS: Mapping[Combine, Literal["sigmoid of sum", "sigmoid of product"]] = MappingProxyType(
    {"add": "sigmoid of sum", "mul": "sigmoid of product"}
)
"""The names of `apply_both` for the ways to combine."""


class BAM(Rescaling):
    """Strengthens each value by a gate made of a channel branch and a spatial branch.

    y = x * (1 + sigmoid(c(x) * s(x))), c(x) from the means of the channels, s(x) from dilated convolutions:
    c = linear, norm, relu, linear; s = 1x1, norm, relu, twice (3x3 dilated, norm, relu), 1x1 to one channel.
    With `combine="add"` the logits are c(x) + s(x), and each branch has one norm, at its end.

    Park, Woo, Lee, Kweon: BAM: Bottleneck Attention Module, BMVC 2018, equations 1 to 4. The paper adds; the authors'
    code multiplies, normalises inside the branches, and so do the released weights, hence `mul` is the default.
    The paper's equations leave the relus of the hidden layers out; both forms have them. It lies between stages.

    Args:
        channels: c.
        reduction: r; both branches have max(1, c // r) hidden channels.
        hidden: channels instead of that rule; None means the rule.
        dilation: of the 3x3 convolutions.
        combine: `mul` (released weights) or `add` (paper).
        dims: position axes of x.
        strict: raise where batch normalisation would see one value, see `Norm`.
        start: see `Features`.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> BAM(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in BAM(64).parameters())
        1173
    """

    facts = Facts(
        name="bam",
        family="mixed",
        paper=Paper(
            title="BAM: Bottleneck Attention Module",
            authors="Jongchan Park and Sanghyun Woo and Joon-Young Lee and In So Kweon",
            year=2018,
            venue="BMVC",
            identifier="arXiv:1807.06514",
        ),
        authors_code="https://github.com/Jongchan/attention-module",
        departures=(
            "The default multiplies the branches, as the authors' code and weights do; the paper adds them.",
            "The channel branch takes the mean over all positions; the authors' code drops columns of wide images "
            "and fails on tall ones.",
            "The hidden width is never under 1, so that a narrow layer still sees its input.",
        ),
        at="stage",
        parameters=(
            "2*c*h + h + c + (2*h if combine == 'mul' else 2*c)"
            " + c*h + 2*h*h*3**dims + 4*h + 1 + (6*h if combine == 'mul' else 2)"
            " where h = hidden or max(1, c // reduction)"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        hidden: int | None = None,
        dilation: int = 4,
        combine: Combine = "mul",
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        width = hidden_width("bam", channels, reduction, hidden)
        at_least("bam", "dilation", dilation, 1)
        self.combine, self.dims = combine, dims
        self.channel = _channel_branch(channels, width, combine, strict)
        self.spatial = _spatial_branch(channels, width, dilation, combine, dims, strict)
        self.gate = Tap("mixed", low=1.0, high=2.0)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: He's initialisation of the convolutions, zero biases, the rest as PyTorch does."""
        for layer in self.modules():
            if isinstance(layer, nn.Linear | Norm):
                layer.reset_parameters()
            elif isinstance(layer, _ConvNd):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if isinstance(layer, nn.Linear | _ConvNd) and layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x with every value strengthened."""
        self.expect(x, (self.dims,))
        squeezed = squeeze_positions(x, "mean")
        channel = over_positions(widen(self.channel(squeezed[0])), x)
        spatial = widen(self.spatial(x))
        if self.strength is None and not self.gate.watched:  # the map, as large as x, is made for who sees it
            return apply_both(squeezed, channel, spatial, SIGMOIDS[self.combine])
        logits = channel * spatial if self.combine == "mul" else channel + spatial
        return self.rescale(squeezed, self.gate, 1 + sigmoid(logits))


def _channel_branch(channels: int, hidden: int, combine: Combine, strict: bool) -> nn.Sequential:
    reduce, expand = Linear(channels, hidden), Linear(hidden, channels)
    if combine == "mul":
        norm = Norm(hidden, strict=strict)
        return nn.Sequential(OrderedDict(reduce=reduce, norm=norm, relu=nn.ReLU(), expand=expand))
    norm = Norm(channels, strict=strict)
    return nn.Sequential(OrderedDict(reduce=reduce, relu=nn.ReLU(), expand=expand, norm=norm))


def _spatial_branch(
    channels: int, hidden: int, dilation: int, combine: Combine, dims: int, strict: bool
) -> nn.Sequential:
    conv = convolution("bam", dims)
    parts: OrderedDict[str, nn.Module] = OrderedDict()

    def hide(name: str, layer: nn.Module) -> None:
        parts[name] = layer
        if combine == "mul":
            parts[f"{name}_norm"] = Norm(hidden, strict=strict)
        parts[f"{name}_relu"] = nn.ReLU()

    hide("reduce", conv(channels, hidden, 1))
    for number in (1, 2):
        hide(f"dilated{number}", conv(hidden, hidden, 3, padding=dilation, dilation=dilation))
    parts["score"] = conv(hidden, 1, 1)
    if combine == "add":
        parts["norm"] = Norm(1, strict=strict)
    return nn.Sequential(parts)
