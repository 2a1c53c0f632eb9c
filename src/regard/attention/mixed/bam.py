"""The bottleneck attention module."""

from collections import OrderedDict
from typing import ClassVar, Literal

from torch import Tensor, nn, sigmoid
from torch.nn.modules.conv import _ConvNd

from regard.attention.convolution import convolution
from regard.attention.normalisation import GateNorm
from regard.attention.widths import hidden_width
from regard.core.facts import Facts, Paper
from regard.core.features import Features, Start
from regard.core.layout import Layout
from regard.core.options import at_least, flag, one_of
from regard.core.precision import widen
from regard.core.tap import Tap
from regard.kernels import apply_gate, squeeze_positions

Combine = Literal["mul", "add"]


class BAM(Features):
    """Strengthens each value by what a channel branch and a spatial branch say of its channel and its position.

    y = x * (1 + sigmoid(c(x) * s(x))), c(x) from the means of the channels, s(x) from dilated convolutions:
    c = linear, norm, relu, linear; s = 1x1, norm, relu, twice (3x3 dilated, norm, relu), 1x1 to one channel.
    With `combine="add"` the logits are c(x) + s(x), and each branch has one norm, at its end.

    Park, Woo, Lee, Kweon: BAM: Bottleneck Attention Module, BMVC 2018, equations 1 to 4. The paper adds; the authors'
    code multiplies, normalises inside the branches, and so do the released weights, hence `mul` is the default.
    The paper's equations leave the relus of the hidden layers out; both forms have them. It stands between stages.

    Args:
        channels: c.
        reduction: r; both branches have max(1, c // r) hidden channels.
        dilation: of the 3x3 convolutions.
        combine: `mul` (released weights) or `add` (paper).
        dims: position axes of x.
        strict: raise where batch normalisation would see one value, see `GateNorm`.
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

    facts: ClassVar[Facts] = Facts(
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
            "The channel branch takes the mean over all positions; the authors' code drops columns of wide pictures "
            "and fails on tall ones.",
            "The hidden width is never under 1, so that a narrow layer still sees its input.",
        ),
        at="stage",
        map_range=(1.0, 2.0),
        parameters=(
            "2*c*h + h + c + (2*h if combine == 'mul' else 2*c)"
            " + c*h + 2*h*h*3**dims + 4*h + 1 + (6*h if combine == 'mul' else 2)"
            " where h = max(1, c // reduction)"
        ),
    )
    layouts: ClassVar[tuple[Layout, ...]] = (
        Layout(
            library="official",
            twin="MODELS.bam.BAM",
            names={
                "channel.reduce": "channel_att.gate_c.gate_c_fc_0",
                "channel.norm": "channel_att.gate_c.gate_c_bn_1",
                "channel.expand": "channel_att.gate_c.gate_c_fc_final",
                "spatial.reduce": "spatial_att.gate_s.gate_s_conv_reduce0",
                "spatial.reduce_norm": "spatial_att.gate_s.gate_s_bn_reduce0",
                "spatial.dilated1": "spatial_att.gate_s.gate_s_conv_di_0",
                "spatial.dilated1_norm": "spatial_att.gate_s.gate_s_bn_di_0",
                "spatial.dilated2": "spatial_att.gate_s.gate_s_conv_di_1",
                "spatial.dilated2_norm": "spatial_att.gate_s.gate_s_bn_di_1",
                "spatial.score": "spatial_att.gate_s.gate_s_conv_final",
            },
            options={"combine": "mul", "dims": 2},
        ),
        Layout(
            library="pytorchcv",
            twin="pytorchcv.models.bamresnet.BamBlock",
            names={
                "channel.reduce": "ch_att.init_fc.fc",
                "channel.norm": "ch_att.init_fc.bn",
                "channel.expand": "ch_att.final_fc",
                "spatial.reduce": "sp_att.init_conv.conv",
                "spatial.reduce_norm": "sp_att.init_conv.bn",
                "spatial.dilated1": "sp_att.dil_convs.conv1.conv",
                "spatial.dilated1_norm": "sp_att.dil_convs.conv1.bn",
                "spatial.dilated2": "sp_att.dil_convs.conv2.conv",
                "spatial.dilated2_norm": "sp_att.dil_convs.conv2.bn",
                "spatial.score": "sp_att.final_conv",
            },
            options={"combine": "mul", "dims": 2},
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        dilation: int = 4,
        combine: Combine = "mul",
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        hidden = hidden_width("bam", channels, reduction)
        at_least("bam", "dilation", dilation, 1)
        one_of("bam", "combine", combine, ("mul", "add"))
        flag("bam", "strict", strict)
        self.combine, self.dims = combine, dims
        self.channel = _channel_branch(channels, hidden, combine, strict)
        self.spatial = _spatial_branch(channels, hidden, dilation, combine, dims, strict)
        self.gate = Tap("mixed", low=1.0, high=2.0)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: He's initialisation of the convolutions, zero biases, the rest as PyTorch does."""
        for layer in self.modules():
            if isinstance(layer, nn.Linear | GateNorm):
                layer.reset_parameters()
            elif isinstance(layer, _ConvNd):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if isinstance(layer, nn.Linear | _ConvNd) and layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x with every value strengthened."""
        self.expect(x, (self.dims,))
        dtype = self.channel.get_parameter("reduce.weight").dtype
        (mean,) = squeeze_positions(x, "mean")
        channel = widen(self.channel(mean.to(dtype)))
        channel = channel.reshape(*channel.shape, *(1,) * self.dims)
        spatial = widen(self.spatial(x.to(dtype)))
        logits = channel * spatial if self.combine == "mul" else channel + spatial
        return apply_gate(x, self.gate(self.temper(1 + sigmoid(logits))))


def _channel_branch(channels: int, hidden: int, combine: Combine, strict: bool) -> nn.Sequential:
    reduce, expand = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
    if combine == "mul":
        norm = GateNorm(hidden, strict=strict)
        return nn.Sequential(OrderedDict(reduce=reduce, norm=norm, relu=nn.ReLU(), expand=expand))
    norm = GateNorm(channels, strict=strict)
    return nn.Sequential(OrderedDict(reduce=reduce, relu=nn.ReLU(), expand=expand, norm=norm))


def _spatial_branch(
    channels: int, hidden: int, dilation: int, combine: Combine, dims: int, strict: bool
) -> nn.Sequential:
    conv = convolution("bam", dims)
    parts: OrderedDict[str, nn.Module] = OrderedDict()

    def hide(name: str, layer: nn.Module) -> None:
        parts[name] = layer
        if combine == "mul":
            parts[f"{name}_norm"] = GateNorm(hidden, strict=strict)
        parts[f"{name}_relu"] = nn.ReLU()

    hide("reduce", conv(channels, hidden, 1))
    for number in (1, 2):
        hide(f"dilated{number}", conv(hidden, hidden, 3, padding=dilation, dilation=dilation))
    parts["score"] = conv(hidden, 1, 1)
    if combine == "add":
        parts["norm"] = GateNorm(1, strict=strict)
    return nn.Sequential(parts)
