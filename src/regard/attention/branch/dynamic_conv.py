"""The dynamic convolution: attention over kernels."""

import torch
from torch import Tensor, nn, relu

from regard.attention.layers import Linear, convolution, group_count, hidden_width, softmax
from regard.attention.own_kernels import convolve_each, expect_identity, mix_kernels
from regard.core import Facts, Features, Paper, Start, Tap
from regard.core.options import at_least, odd, positive
from regard.kernels import squeeze_positions


class DynamicConv(Features):
    """A convolution whose kernel is a mixture of several, weighted for each image by its channels' means.

    a = softmax over i of (W2 relu(W1 mean(x) + b1) + b2)_i / t, the mean taken over positions, i = 1 to k
    y = (sum of a_i K_i) * x + sum of a_i d_i, with kernels K_i and, where `bias` is set, biases d_i

    Chen, Dai, Liu, Chen, Yuan, Liu: Dynamic Convolution: Attention over Convolution Kernels, CVPR 2020, sections
    3 and 4 (the temperature). It replaces a convolution; its normalisation and ReLU follow.
    The paper starts with t = 30 and lowers it to 1 in the first ten epochs, so that at first all kernels learn:
    assign `temperature` while training.

    Args:
        channels: of x.
        out_channels: of y; None means `channels`.
        kernel_size: of every kernel, odd.
        stride: of the convolution.
        groups: of the convolution; it divides both channel counts.
        kernels: k, at least 2.
        reduction: r; the hidden layer has max(1, channels // r) units.
        temperature: t.
        bias: whether every kernel has a bias.
        dims: position axes of x.
        start: see `Features`; `identity` needs y to have the shape of x.

    Shape:
        x (b, channels, ...) with `dims` position axes; y (b, out_channels, ...), each size divided by the stride,
        rounded up. The map is (b, k, 1, 1, ...).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> DynamicConv(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> DynamicConv(64, out_channels=128, stride=2)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 128, 4, 3])
    """

    facts = Facts(
        name="dynamic_conv",
        family="branch",
        paper=Paper(
            title="Dynamic Convolution: Attention over Convolution Kernels",
            authors=("Yinpeng Chen and Xiyang Dai and Mengchen Liu and Dongdong Chen and Lu Yuan and Zicheng Liu"),
            year=2020,
            venue="CVPR",
            identifier="arXiv:1912.03458",
        ),
        departures=(
            "The authors released no code; the layers that score have biases, as in squeeze-and-excitation.",
            "The temperature stays where it is put: lowering it is the training's business.",
            "Kernels have no biases by default, because a normalisation follows.",
            "The hidden width is never under 1, so that a narrow layer still sees its input.",
        ),
        at="kernel",
        parameters=(
            "c*h + h + h*kernels + kernels + kernels*w*(c//groups*kernel_size**dims + bias)"
            " where w = out_channels or c; h = max(1, c // reduction)"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        out_channels: int | None = None,
        kernel_size: int = 3,
        stride: int = 1,
        groups: int = 1,
        kernels: int = 4,
        reduction: int = 4,
        temperature: float = 30.0,
        bias: bool = False,
        dims: int = 2,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        conv = convolution("dynamic_conv", dims)
        width = channels if out_channels is None else at_least("dynamic_conv", "out_channels", out_channels, 1)
        odd("dynamic_conv", "kernel_size", kernel_size)
        at_least("dynamic_conv", "kernels", kernels, 2)
        expect_identity("dynamic_conv", start, channels, width, at_least("dynamic_conv", "stride", stride, 1))
        self.dims, self.stride = dims, stride
        self.groups = group_count("dynamic_conv", at_least("dynamic_conv", "groups", groups, 1), 1, channels, width)
        self.temperature = positive("dynamic_conv", "temperature", temperature)
        hidden = hidden_width("dynamic_conv", channels, reduction)
        self.reduce = Linear(channels, hidden)
        self.expand = Linear(hidden, kernels)
        self.select = Tap("branch", shares="branch")
        self.kernels = nn.ModuleList(
            conv(channels, width, kernel_size, groups=self.groups, bias=bias) for _ in range(kernels)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """He's initialisation of every kernel, as of the convolution that it replaces, and zero biases."""
        for kernel in self.kernels:
            nn.init.kaiming_normal_(kernel.get_parameter("weight"), mode="fan_out", nonlinearity="relu")
            if kernel.bias is not None:
                nn.init.zeros_(kernel.get_parameter("bias"))
        for layer in (self.reduce, self.expand):
            layer.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """x convolved with the kernel that it mixes."""
        self.expect(x, (self.dims,))
        (mean,) = squeeze_positions(x, "mean")
        logits = self.expand.logits(relu(self.reduce(mean))) / self.temperature
        shares = softmax(logits, 1)
        shares = self.select(shares.reshape(*shares.shape, 1, *(1,) * self.dims))
        kernels = mix_kernels(shares, torch.stack([kernel.get_parameter("weight") for kernel in self.kernels]))
        y = convolve_each(x.to(kernels.dtype), kernels, stride=self.stride, groups=self.groups)
        if self.kernels[0].bias is not None:
            biases = mix_kernels(shares, torch.stack([kernel.get_parameter("bias") for kernel in self.kernels]))
            y = y + biases.reshape(*y.shape[:2], *(1,) * self.dims)
        return self.blend(x, y)
