"""The selective kernel convolution."""

from typing import ClassVar

from torch import Tensor, nn, relu, softmax, stack
from torch.nn.modules.conv import _ConvNd

from regard.attention.convolution import convolution
from regard.attention.normalisation import GateNorm
from regard.attention.widths import group_count
from regard.core.errors import OptionError
from regard.core.facts import Facts, Paper
from regard.core.mechanism import Mechanism, Start
from regard.core.options import at_least, flag
from regard.core.precision import widen
from regard.core.tap import Tap
from regard.kernels import select_branches, squeeze_positions

MIN_HIDDEN = 32
"""The paper's L: the hidden layer that chooses between the branches is never narrower."""


class SK(Mechanism):
    """A convolution whose channels choose between several kernel sizes by what all channels see.

    u_i = relu(norm(conv_i(x))), a grouped 3x3 of dilation i, for branches i = 1 to k
    z = relu(norm(W mean(u_1 + ... + u_k))), the mean taken over positions, z of max(c / reduction, 32) values
    y = sum of a_i u_i, a = softmax over i of A_i z, a weight for each branch and channel

    Li, Wang, Hu, Yang: Selective Kernel Networks, CVPR 2019, equations 1 to 6. No layer has a bias. The module takes
    the place of a 3x3 convolution with its normalisation and ReLU, in a bottleneck of the middle one.

    Args:
        channels: of x.
        out_channels: c, of y; None means `channels`.
        branches: k, at least 2.
        stride: of the convolutions.
        groups: of the convolutions; None takes the largest that divides both channel counts and 32, the paper's.
        reduction: r; the hidden layer has max(c // r, 32) units.
        dims: position axes of x.
        strict: raise where batch normalisation would see one value, see `GateNorm`.
        start: see `Mechanism`; `identity` needs y to have the shape of x.

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

    facts: ClassVar[Facts] = Facts(
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
            "The hidden width is the paper's rule everywhere; the released SKNet-101 has half of it in one stage.",
            "The default number of groups shrinks to one that divides the channels.",
        ),
        at="conv",
        neutral="uniform",
    )

    def __init__(
        self,
        channels: int,
        *,
        out_channels: int | None = None,
        branches: int = 2,
        stride: int = 1,
        groups: int | None = None,
        reduction: int = 16,
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        width = channels if out_channels is None else at_least("sk", "out_channels", out_channels, 1)
        at_least("sk", "branches", branches, 2)
        at_least("sk", "stride", stride, 1)
        flag("sk", "strict", strict)
        if start == "identity" and (width != channels or stride != 1):
            raise OptionError(
                f"sk: start='identity' is not allowed with out_channels={out_channels} and stride={stride}; the output "
                "must have the input's shape: leave both out, or use start='paper'."
            )
        conv, groups = convolution("sk", dims), group_count("sk", groups, 32, channels, width)
        hidden = max(width // at_least("sk", "reduction", reduction, 1), MIN_HIDDEN)
        self.dims = dims
        self.branches = nn.ModuleList(
            nn.Sequential(
                conv(channels, width, 3, stride=stride, padding=d, dilation=d, groups=groups, bias=False),
                GateNorm(width, momentum=0.05, strict=strict),
                nn.ReLU(),
            )
            for d in range(1, branches + 1)
        )
        self.reduce = nn.Linear(width, hidden, bias=False)
        self.norm = GateNorm(hidden, momentum=0.05, strict=strict)
        self.expand = nn.Linear(hidden, branches * width, bias=False)
        self.select = Tap("branch", neutral=1 / branches)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: He's initialisation of the convolutions, deviation 0.01 in the layers that choose."""
        for layer in self.modules():
            if isinstance(layer, _ConvNd):
                nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
            elif isinstance(layer, GateNorm):
                layer.reset_parameters()
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """The chosen mixture of the branches."""
        self.expect(x, (self.dims,))
        dtype = self.reduce.weight.dtype
        branches = tuple(branch(x.to(dtype)) for branch in self.branches)
        mean = stack([squeeze_positions(branch, "mean")[0] for branch in branches]).sum(0)
        logits = self.expand(relu(self.norm(self.reduce(mean.to(dtype)))))
        logits = logits.reshape(-1, len(branches), branches[0].shape[1], *(1,) * self.dims)
        return self.blend(x, select_branches(branches, self.select(softmax(widen(logits), 1))))
