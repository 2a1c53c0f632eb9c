"""The split-attention convolution."""

from torch import Tensor, nn, relu
from torch.nn.modules.conv import _ConvNd

from regard.attention.layers import GroupedLinear, Norm, convolution, group_count, hidden_width, sigmoid, softmax
from regard.attention.own_kernels import expect_identity
from regard.core import Facts, Features, Paper, Start, Tap
from regard.core.options import at_least, odd
from regard.kernels import select_branches, squeeze_branches


class Splat(Features):
    """A convolution whose channels choose between splits of the features by a gate made of their group.

    u_1, ..., u_r = the r parts of relu(norm(conv(x))), conv with g r groups, r c channels
    z = relu(norm(W mean(u_1 + ... + u_r) + v)), the mean taken over positions, z of max(c r / reduction, 32) values
    y = sum of a_i u_i, a = softmax over i of A_i z + b_i, a weight for each split and channel; with r = 1 a sigmoid

    Zhang et al.: ResNeSt: Split-Attention Networks, CVPR workshops 2022, equations 1 and 2. W and A have g groups too:
    channels of one cardinal group choose without the others. The module replaces a 3x3 convolution with its
    normalisation and ReLU, in a bottleneck of the middle one; the published networks put the stride into a pooling
    behind it.

    Args:
        channels: of x; the hidden width follows them.
        out_channels: c, of y; None means `channels`.
        radix: r, the number of splits.
        groups: g, the cardinality.
        kernel_size: of the convolution, odd.
        stride: of the convolution.
        reduction: the hidden layer has max(channels r // reduction, min_hidden) units.
        hidden: units of the hidden layer instead of that rule; None means the rule.
        min_hidden: the fewest units that the rule gives.
        dims: position axes of x.
        strict: raise where batch normalisation would see one value, see `Norm`.
        start: see `Features`; `identity` needs y to have the shape of x.

    Shape:
        x (b, channels, ...) with `dims` position axes; y (b, out_channels, ...), each size divided by the stride,
        rounded up. The map is (b, r, out_channels, 1, ...).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> Splat(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> Splat(64, out_channels=128, stride=2)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 128, 4, 3])
    """

    facts = Facts(
        name="splat",
        family="branch",
        paper=Paper(
            title="ResNeSt: Split-Attention Networks",
            authors=(
                "Hang Zhang and Chongruo Wu and Zhongyue Zhang and Yi Zhu and Haibin Lin and Zhi Zhang and Yue Sun and "
                "Tong He and Jonas Mueller and R. Manmatha and Mu Li and Alexander Smola"
            ),
            year=2022,
            venue="CVPR Workshops",
            identifier="arXiv:2004.08955",
        ),
        authors_code="https://github.com/zhanghang1989/ResNeSt",
        departures=(
            "Where cardinality times radix does not divide the channels of x, the convolution has the largest number "
            "of groups that does.",
            "The hidden width is rounded up to a multiple of the cardinality; the authors' code refuses such widths.",
        ),
        at="conv",
        parameters=(
            "c*w*radix//gcd(groups*radix, c)*kernel_size**dims + 2*w*radix + w*h//groups + h + 2*h"
            " + h*w*radix//groups + w*radix where w = out_channels or c;"
            " h = ceil((hidden or max(c*radix // reduction, min_hidden)) / groups) * groups"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        out_channels: int | None = None,
        radix: int = 2,
        groups: int = 1,
        kernel_size: int = 3,
        stride: int = 1,
        reduction: int = 4,
        hidden: int | None = None,
        min_hidden: int = 32,
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        width = channels if out_channels is None else at_least("splat", "out_channels", out_channels, 1)
        at_least("splat", "radix", radix, 1)
        at_least("splat", "stride", stride, 1)
        odd("splat", "kernel_size", kernel_size)
        expect_identity("splat", start, channels, width, stride)
        groups = group_count("splat", at_least("splat", "groups", groups, 1), 1, channels, width)
        self.radix, self.groups, self.dims = radix, groups, dims
        units = -(-hidden_width("splat", channels * radix, reduction, hidden, min_hidden) // groups) * groups
        self.conv = convolution("splat", dims)(
            channels,
            width * radix,
            kernel_size,
            stride,
            padding=kernel_size // 2,
            groups=group_count("splat", None, groups * radix, channels),
            bias=False,
        )
        self.norm = Norm(width * radix, strict=strict)
        self.reduce = GroupedLinear(width, units, groups)
        self.reduce_norm = Norm(units, strict=strict)
        self.expand = GroupedLinear(units, width * radix, groups)
        self.select = Tap("branch", shares=() if radix == 1 else "branch")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: He's initialisation by the fan out, the biases as PyTorch's."""
        for layer in self.modules():
            if isinstance(layer, _ConvNd):
                layer.reset_parameters()
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(layer, Norm):
                layer.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """The chosen mixture of the splits."""
        self.expect(x, (self.dims,))
        splits = squeeze_branches(relu(self.norm(self.conv(x))), self.radix)
        hidden = relu(self.reduce_norm(self.reduce(splits.mean)))
        logits = self.expand.logits(hidden).unflatten(1, (self.groups, self.radix, -1)).transpose(1, 2)
        weights = sigmoid(logits) if self.radix == 1 else softmax(logits, 1)
        weights = weights.reshape(*weights.shape[:2], splits.mean.shape[1], *(1,) * self.dims)
        return self.blend(x, select_branches(splits, self.select(weights)))
