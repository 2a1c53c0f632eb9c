"""Context anchor attention."""

from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import silu
from torch.nn.modules.conv import _ConvNd

from regard.attention.layers import Norm, Rescaling, convolution, sigmoid
from regard.attention.pooling import surrounding_mean
from regard.attention.strips import strip_convolution
from regard.core import Facts, Paper, Start, Tap, widen
from regard.core.options import odd

Apply = Literal["residual", "gate"]

POOLED = 7
"""The window over which the mechanism averages."""


class CAA(Rescaling):
    """Strengthens each value by what lies on long strips around its position.

    y = x * (1 + a), a = sigmoid(mix(strips(reduce(mean7(x))))): the mean of the 7x7 window around each position, a
    1x1 convolution, a depthwise strip of k positions along each axis, the last axis first, a 1x1 convolution.

    Cai, Lai, Wang, Wang, Sun, Yao: Poly Kernel Inception Network for Remote Sensing Detection, CVPR 2024,
    where a is made from what enters a block and strengthens what its convolutions made; here both are x. k is
    11 + 2 l in the l-th block. The authors' class can normalise both 1x1 convolutions, with a SiLU after each
    (`norm`); their networks do not, and neither does the paper.

    Args:
        channels: c.
        kernel_size: k, odd.
        norm: whether both 1x1 convolutions have a batch normalisation instead of the bias, and a SiLU.
        apply: `residual`, as published, or `gate`: y = x * a.
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
        >>> CAA(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in CAA(64).parameters())
        9856
    """

    facts = Facts(
        name="caa",
        family="spatial",
        paper=Paper(
            title="Poly Kernel Inception Network for Remote Sensing Detection",
            authors="Xinhao Cai and Qiuxia Lai and Yuwei Wang and Wenguan Wang and Zeren Sun and Yazhou Yao",
            year=2024,
            venue="CVPR",
            identifier="arXiv:2403.06258",
        ),
        authors_code="https://github.com/NUST-Machine-Intelligence-Laboratory/PKINet",
        departures=(
            "The map is made from the features that it rescales; in the published network it is made from what enters "
            "the block whose result it rescales.",
        ),
        parameters="2*c*c + dims*c*(kernel_size + 1) + (4*c if norm else 2*c)",
    )

    def __init__(
        self,
        channels: int,
        *,
        kernel_size: int = 11,
        norm: bool = False,
        apply: Apply = "residual",
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        conv = convolution("caa", dims)
        odd("caa", "kernel_size", kernel_size)
        self.dims, self.apply_as, self.norm = dims, apply, norm
        self.reduce = conv(channels, channels, 1, bias=not norm)
        self.reduce_norm = _normalisation(channels, norm, strict)
        axes = range(dims - 1, -1, -1)
        self.strips = nn.Sequential(*(strip_convolution("caa", dims, axis, channels, kernel_size) for axis in axes))
        self.mix = conv(channels, channels, 1, bias=not norm)
        self.mix_norm = _normalisation(channels, norm, strict)
        offset = 1.0 if apply == "residual" else 0.0
        self.gate = Tap("mixed", low=offset, high=1.0 + offset)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: weights as PyTorch draws them, zero biases."""
        for layer in self.modules():
            if isinstance(layer, _ConvNd):
                layer.reset_parameters()
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
            elif isinstance(layer, Norm):
                layer.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """x with every value strengthened."""
        self.expect(x, (self.dims,))
        reduced = self.reduce_norm(self.reduce(surrounding_mean(widen(x), POOLED)))
        logits = self.mix_norm(self.mix(self.strips(silu(reduced) if self.norm else reduced)))
        gate = sigmoid(silu(widen(logits)) if self.norm else logits)
        return self.rescale(x, self.gate, 1 + gate if self.apply_as == "residual" else gate)


def _normalisation(channels: int, norm: bool, strict: bool) -> nn.Module:
    """The authors' normalisation, whose constants are not PyTorch's."""
    return Norm(channels, momentum=0.03, eps=1e-3, strict=strict) if norm else nn.Identity()
