"""The omni-dimensional dynamic convolution."""

import torch
from torch import Tensor, nn, relu
from torch.nn.modules.conv import _ConvNd

from regard.attention.layers import (
    Linear,
    Norm,
    convolution,
    group_count,
    hidden_width,
    over_positions,
    sigmoid,
    softmax,
)
from regard.attention.own_kernels import convolve_each, expect_identity, mix_kernels
from regard.core import Facts, Features, Paper, Start, Tap
from regard.core.options import at_least, odd, positive
from regard.kernels import apply_gate, squeeze_positions

MIN_HIDDEN = 16
"""The hidden layer that all four attentions share is never narrower."""


class ODConv(Features):
    """A convolution with attention over its inputs, its outputs, the positions of its kernel and several kernels.

    z = relu(norm(W mean(x))), the mean taken over positions, z of max(c / reduction, 16) values
    f = sigmoid(F z / t) for each output, s = sigmoid(S z / t) for each position of the kernel,
    c = sigmoid(C z / t) for each input, a = softmax over i of (A z)_i / t for k kernels, each with a bias
    y = f (s (sum of a_i K_i)) * (c x)

    Li, Zhou, Yao: Omni-Dimensional Dynamic Convolution, ICLR 2022, section 3. The paper's equation gives every kernel s, c
    and f of its own; the authors' code shares them among the kernels, and so does this. As in the code, f is left out
    of a depthwise convolution, s where the kernel has one position, and a where there is one kernel. It replaces
    a convolution; its normalisation and ReLU follow.

    Args:
        channels: of x.
        out_channels: of y; None means `channels`.
        kernel_size: of every kernel, odd.
        stride: of the convolution.
        groups: of the convolution; it divides both channel counts.
        kernels: k.
        reduction: r; the hidden layer has max(channels // r, 16) units.
        hidden: units of the hidden layer instead of that rule; None means the rule.
        temperature: t, which training may lower by assigning it.
        dims: position axes of x.
        strict: raise where batch normalisation would see one value, see `Norm`.
        start: see `Features`; `identity` needs y to have the shape of x.

    Shape:
        x (b, channels, ...) with `dims` position axes; y (b, out_channels, ...), each size divided by the stride,
        rounded up. The maps are (b, channels, 1, ...), (b, out_channels, 1, ...), (b, 1, k, ...), (b, kernels, 1, 1, ...).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> ODConv(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> ODConv(64, out_channels=128, stride=2)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 128, 4, 3])
    """  # noqa: E501

    facts = Facts(
        name="odconv",
        family="branch",
        paper=Paper(
            title="Omni-Dimensional Dynamic Convolution",
            authors="Chao Li and Aojun Zhou and Anbang Yao",
            year=2022,
            venue="ICLR",
            identifier="arXiv:2209.07947",
        ),
        authors_code="https://github.com/OSVAI/ODConv",
        departures=(
            "All kernels share the attentions to positions, inputs and outputs, as in the authors' code and not in the "
            "paper's equation.",
        ),
        at="kernel",
        parameters=(
            "c*h + 2*h + (h + 1)*(c + w*(not depthwise) + kernel_size**dims*(kernel_size > 1) + kernels*(kernels > 1))"
            " + kernels*w*(c//groups)*kernel_size**dims"
            " where w = out_channels or c; h = hidden or max(c // reduction, 16); depthwise = groups == c == w"
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
        reduction: int = 16,
        hidden: int | None = None,
        temperature: float = 1.0,
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        conv = convolution("odconv", dims)
        width = channels if out_channels is None else at_least("odconv", "out_channels", out_channels, 1)
        positions = odd("odconv", "kernel_size", kernel_size) ** dims
        at_least("odconv", "kernels", kernels, 1)
        expect_identity("odconv", start, channels, width, at_least("odconv", "stride", stride, 1))
        self.dims, self.stride = dims, stride
        self.groups = group_count("odconv", at_least("odconv", "groups", groups, 1), 1, channels, width)
        self.temperature = positive("odconv", "temperature", temperature)
        units = hidden_width("odconv", channels, reduction, hidden, MIN_HIDDEN)
        self.reduce = Linear(channels, units, bias=False)
        self.norm = Norm(units, strict=strict)
        self.score_inputs = Linear(units, channels)
        self.score_outputs = None if groups == channels == width else Linear(units, width)
        self.score_places = None if kernel_size == 1 else Linear(units, positions)
        self.score_kernels = None if kernels == 1 else Linear(units, kernels)
        self.inputs = Tap("gate")
        self.outputs = None if self.score_outputs is None else Tap("gate")
        self.positions = None if self.score_places is None else Tap("kernel")
        self.select = None if self.score_kernels is None else Tap("branch", shares="branch")
        self.kernels = nn.ModuleList(
            conv(channels, width, kernel_size, groups=self.groups, bias=False) for _ in range(kernels)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: He's initialisation of the kernels and of all layers, zero biases."""
        self.norm.reset_parameters()
        for layer in (*self.kernels, *self.children()):
            if isinstance(layer, nn.Linear | _ConvNd):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x convolved with the kernel that it makes."""
        self.expect(x, (self.dims,))
        (mean,) = squeeze_positions(x, "mean")
        hidden = relu(self.norm(self.reduce(mean)))
        inputs = self.inputs(over_positions(sigmoid(self._logits(self.score_inputs, hidden)), x))
        kernels = self._kernels(hidden)
        y = convolve_each(apply_gate(x, inputs).to(kernels.dtype), kernels, stride=self.stride, groups=self.groups)
        if self.score_outputs is not None and self.outputs is not None:
            outputs = sigmoid(self._logits(self.score_outputs, hidden))
            y = apply_gate(y, self.outputs(over_positions(outputs, x)))
        return self.blend(x, y)

    def _kernels(self, hidden: Tensor) -> Tensor:
        """Each image's kernel (b, out, c / groups, ...)."""
        weights = torch.stack([kernel.get_parameter("weight") for kernel in self.kernels])
        size = weights.shape[3:]
        if self.score_kernels is not None and self.select is not None:
            shares = softmax(self._logits(self.score_kernels, hidden), 1)
            kernels = mix_kernels(self.select(shares.reshape(*shares.shape, 1, *(1,) * self.dims)), weights)
        else:
            kernels = weights.expand(hidden.shape[0], *weights.shape[1:])
        if self.score_places is not None and self.positions is not None:
            over_kernel = self.positions(sigmoid(self._logits(self.score_places, hidden)).reshape(-1, 1, *size))
            kernels = kernels * over_kernel.reshape(-1, 1, 1, *size).to(kernels.dtype)
        return kernels

    def _logits(self, layer: Linear, hidden: Tensor) -> Tensor:
        return layer.logits(hidden) / self.temperature
