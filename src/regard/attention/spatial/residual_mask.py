"""The soft mask branch of the residual attention network."""

from typing import Literal

import torch
from torch import Tensor, nn, relu

from regard.attention.layers import Norm, Rescaling, convolution, sigmoid
from regard.attention.pooling import halve
from regard.attention.resampling import interpolate
from regard.core import Facts, Paper, Start, Tap, widen
from regard.core.options import at_least

Activation = Literal["mixed", "channel", "spatial"]
Apply = Literal["residual", "naive"]

SMALLEST = 1e-5
"""Added to a variance or a squared length before its root is divided by."""


class ResidualMask(Rescaling):
    """Strengthens each value by an hourglass of residual units.

    y = x * (1 + f(score(up(hourglass(x))))): the hourglass halves x `poolings` times by the maxima of 3x3 windows, r
    units after each, r more at the bottom; on the way up it interpolates to each size in turn, adds one unit of the
    features of that size before, and r units follow but at the last; score is twice norm, relu, 1x1 convolution. A unit
    is x + a bottleneck of c / 4 channels: norm, relu, 1x1; norm, relu, 3x3; norm, relu, 1x1. No layer has a bias.
    f is a sigmoid (`mixed`), division by the length over the channels of each position (`channel`), or a sigmoid
    after each channel's positions were normalised (`spatial`).

    Wang, Jiang, Qian, Yang, Li, Zhang, Wang, Tang: Residual Attention Network for Image Classification, CVPR 2017,
    equations 1 to 6 and figure 2. The authors' networks take 3, 2 and 1 poolings in their three stages, and
    interpolation that keeps the outer centres. `naive` is the ablation y = x * f.

    Args:
        channels: c.
        poolings: how often the hourglass halves x.
        units: r.
        activation: f: `mixed`, `channel` or `spatial`.
        apply: `residual` or `naive`.
        dims: position axes of x.
        strict: raise where batch normalisation would see one value, see `Norm`.
        start: see `Features`.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> ResidualMask(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
    """

    facts = Facts(
        name="residual_mask",
        family="spatial",
        paper=Paper(
            title="Residual Attention Network for Image Classification",
            authors=(
                "Fei Wang and Mengqing Jiang and Chen Qian and Shuo Yang and Cheng Li and Honggang Zhang and "
                "Xiaogang Wang and Xiaoou Tang"
            ),
            year=2017,
            venue="CVPR",
            identifier="arXiv:1704.06904",
        ),
        authors_code="https://github.com/fwang91/residual-attention-network",
        departures=(
            "The mask rescales the features that it is computed from; in the published network two more residual units "
            "lie between.",
            "The two inputs of the authors' interpolation layer are read as features and a size; ports that add the "
            "second one, or that add features to a skip unit which holds them already, compute another function.",
            "A pooling halves an odd size upwards; the authors' layer drops to the smaller half, at sizes that their "
            "networks never have.",
            "Positions that tie for a maximum share its gradient, which is deterministic on CUDA; the authors' pooling "
            "gives it to one of them.",
            "The normalisations of the other activations add 1e-5, so that constant features have a gradient.",
        ),
        at="stage",
        parameters=(
            "(2*units*poolings + poolings - 1)*(2*c + 2*c*h + 4*h + h*h*3**dims) + 2*c*c + 4*c where h = max(1, c // 4)"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        poolings: int = 2,
        units: int = 1,
        activation: Activation = "mixed",
        apply: Apply = "residual",
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        at_least("residual_mask", "poolings", poolings, 1)
        at_least("residual_mask", "units", units, 1)
        conv = convolution("residual_mask", dims)
        self.dims, self.activation, self.apply_as = dims, activation, apply

        def several(number: int) -> nn.Sequential:
            return nn.Sequential(*(ResidualUnit(channels, dims=dims, strict=strict) for _ in range(number)))

        self.down = nn.ModuleList(several(units) for _ in range(poolings))
        self.bottom = several(units)
        self.skip = nn.ModuleList(several(1) for _ in range(poolings - 1))
        self.up = nn.ModuleList(several(units) for _ in range(poolings - 1))
        self.norm1 = Norm(channels, strict=strict)
        self.score1 = conv(channels, channels, 1, bias=False)
        self.norm2 = Norm(channels, strict=strict)
        self.score2 = conv(channels, channels, 1, bias=False)
        offset, low = (1.0 if apply == "residual" else 0.0), (-1.0 if activation == "channel" else 0.0)
        self.amend(exported_from=2**poolings + 1)
        self.gate = Tap("mixed", low=low + offset, high=1.0 + offset)

    def forward(self, x: Tensor) -> Tensor:
        """x with every value strengthened."""
        self.expect(x, (self.dims,))
        z = self._hourglass(x.to(self.score1.weight.dtype))
        z = self.score1(relu(self.norm1(z)))
        mask = self._normalise(self.score2.logits(relu(self.norm2(z))))
        return self.rescale(x, self.gate, 1 + mask if self.apply_as == "residual" else mask)

    def _hourglass(self, x: Tensor) -> Tensor:
        sizes, kept, z = [tuple(x.shape[2:])], [], x
        for down in self.down:
            z = down(halve(z))
            kept.append(z)
            sizes.append(tuple(z.shape[2:]))
        z = self.bottom(z)
        for level in range(len(self.up) - 1, -1, -1):
            z = self.up[level](self.skip[level](kept[level]) + _resize(z, sizes[level + 1]))
        return _resize(z, sizes[0])

    def _normalise(self, logits: Tensor) -> Tensor:
        if self.activation == "channel":
            return logits * torch.rsqrt(logits.square().sum(1, keepdim=True) + SMALLEST)
        if self.activation == "spatial":
            axes = tuple(range(2, logits.ndim))
            variance, mean = torch.var_mean(logits, axes, correction=0, keepdim=True)
            logits = (logits - mean) * torch.rsqrt(variance + SMALLEST)
        return sigmoid(logits)


class ResidualUnit(nn.Module):
    """A bottleneck whose normalisations come first: z + conv1(conv3(conv1(z))), each after a norm and a relu."""

    def __init__(self, channels: int, *, dims: int, strict: bool) -> None:
        super().__init__()
        conv, hidden = convolution("residual_mask", dims), max(1, channels // 4)
        self.norm1 = Norm(channels, strict=strict)
        self.conv1 = conv(channels, hidden, 1, bias=False)
        self.norm2 = Norm(hidden, strict=strict)
        self.conv2 = conv(hidden, hidden, 3, padding=1, bias=False)
        self.norm3 = Norm(hidden, strict=strict)
        self.conv3 = conv(hidden, channels, 1, bias=False)

    def forward(self, z: Tensor) -> Tensor:
        """z plus its bottleneck."""
        hidden = self.conv1(relu(self.norm1(z)))
        hidden = self.conv2(relu(self.norm2(hidden)))
        return z + self.conv3(relu(self.norm3(hidden)))


def _resize(z: Tensor, size: tuple[int, ...]) -> Tensor:
    return interpolate(widen(z), size, align_corners=True).to(z.dtype)
