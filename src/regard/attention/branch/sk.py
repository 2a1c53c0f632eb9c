"""The selective kernel convolution."""

from torch import Tensor, nn, relu
from torch.nn.modules.conv import _ConvNd

from regard.attention.layers import Linear, Norm, convolution, group_count, hidden_width, softmax
from regard.attention.own_kernels import expect_identity
from regard.core import Facts, Features, OptionError, Paper, Start, Tap
from regard.core.options import at_least, odd
from regard.kernels import select_branches, squeeze_branches

MIN_HIDDEN = 32
"""The paper's L: the hidden layer that chooses between the branches is never narrower."""


class SK(Features):
    """A convolution whose channels choose between several kernel sizes by a gate made of all channels.

    u_i = relu(norm(conv_i(x))), a grouped convolution, by default 3x3 of dilation i, for branches i = 1 to k
    z = relu(norm(W mean(u_1 + ... + u_k))), the mean taken over positions, z of max(c / reduction, 32) values
    y = sum of a_i u_i, a = softmax over i of A_i z, a weight for each branch and channel

    Li, Wang, Hu, Yang: Selective Kernel Networks, CVPR 2019, equations 1 to 6. No layer has a bias. The module
    replaces a 3x3 convolution with its normalisation and ReLU, in a bottleneck of the middle one.

    Args:
        channels: of x.
        out_channels: c, of y; None means `channels`.
        branches: k, at least 2.
        kernel_sizes: of the k convolutions, odd; None takes 3 for each.
        dilations: of the k convolutions; None takes 1 to k, or 1 for each where kernel sizes are given.
        stride: of the convolutions.
        groups: of the convolutions; None takes the largest that divides both channel counts and 32, the paper's.
        reduction: r; the hidden layer has max(c // r, 32) units.
        hidden: units of the hidden layer instead of that rule; None means the rule.
        dims: position axes of x.
        strict: raise where batch normalisation would see one value, see `Norm`.
        start: see `Features`; `identity` needs y to have the shape of x.

    Shape:
        x (b, channels, ...) with `dims` position axes; y (b, out_channels, ...), each size divided by the stride,
        rounded up. The map is (b, k, out_channels, 1, ...).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> SK(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> SK(64, out_channels=128, stride=2)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 128, 4, 3])
    """

    facts = Facts(
        name="sk",
        family="branch",
        paper=Paper(
            title="Selective Kernel Networks",
            authors="Xiang Li and Wenhai Wang and Xiaolin Hu and Jian Yang",
            year=2019,
            venue="CVPR",
            identifier="arXiv:1903.06586",
        ),
        authors_code="https://github.com/implus/SKNet",
        departures=(
            "The hidden width is the paper's rule everywhere; the released SKNet-101 has half of it in one "
            "stage, which hidden=16 gives.",
            "The default number of groups shrinks to one that divides the channels.",
        ),
        at="conv",
        parameters=(
            "c*w//g*sum(k**dims for k in (kernel_sizes or (3,)*branches)) + 2*w*branches + w*h + 2*h + h*w*branches"
            " where w = out_channels or c; g = groups or gcd(32, c, w); h = hidden or max(w // reduction, 32)"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        out_channels: int | None = None,
        branches: int = 2,
        kernel_sizes: tuple[int, ...] | None = None,
        dilations: tuple[int, ...] | None = None,
        stride: int = 1,
        groups: int | None = None,
        reduction: int = 16,
        hidden: int | None = None,
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        width = channels if out_channels is None else at_least("sk", "out_channels", out_channels, 1)
        at_least("sk", "branches", branches, 2)
        at_least("sk", "stride", stride, 1)
        expect_identity("sk", start, channels, width, stride)
        self.dims = dims
        conv, groups = convolution("sk", dims), group_count("sk", groups, 32, channels, width)
        units = hidden_width("sk", width, reduction, hidden, MIN_HIDDEN)
        self.branches = nn.ModuleList(
            nn.Sequential(
                conv(channels, width, k, stride, padding=d * (k // 2), dilation=d, groups=groups, bias=False),
                Norm(width, momentum=0.05, strict=strict),
                nn.ReLU(),
            )
            for k, d in _kernels(branches, kernel_sizes, dilations)
        )
        self.reduce = Linear(width, units, bias=False)
        self.norm = Norm(units, momentum=0.05, strict=strict)
        self.expand = Linear(units, branches * width, bias=False)
        self.select = Tap("branch", shares="branch")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: He's initialisation of the convolutions, N(0, 0.01^2) in the layers that choose."""
        for layer in self.modules():
            if isinstance(layer, _ConvNd):
                nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
            elif isinstance(layer, Norm):
                layer.reset_parameters()
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """The chosen mixture of the branches."""
        self.expect(x, (self.dims,))
        branches = squeeze_branches(tuple(branch(x) for branch in self.branches))
        logits = self.expand(relu(self.norm(self.reduce(branches.mean))))
        logits = logits.reshape(-1, len(self.branches), branches.mean.shape[1], *(1,) * self.dims)
        return self.blend(x, select_branches(branches, self.select(softmax(logits, 1))))


def _kernels(
    branches: int, kernel_sizes: tuple[int, ...] | None, dilations: tuple[int, ...] | None
) -> list[tuple[int, int]]:
    """The kernel size and the dilation of each branch."""
    if dilations is None:
        dilations = tuple(range(1, branches + 1)) if kernel_sizes is None else (1,) * branches
    kernel_sizes = (3,) * branches if kernel_sizes is None else kernel_sizes
    for option, values in (("kernel_sizes", kernel_sizes), ("dilations", dilations)):
        if not isinstance(values, tuple) or len(values) != branches:
            raise OptionError(
                f"sk: {option}={values!r} is not allowed with branches={branches}; it must be a tuple of {branches} "
                "numbers, one for each branch."
            )
    sizes = [odd("sk", "kernel_sizes", size) for size in kernel_sizes]
    return list(zip(sizes, [at_least("sk", "dilations", dilation, 1) for dilation in dilations], strict=True))
