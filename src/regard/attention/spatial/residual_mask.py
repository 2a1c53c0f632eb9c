"""The soft mask branch of the residual attention network."""

import math
from typing import Literal

import torch
from torch import Tensor, nn, relu

from regard.attention.layers import Norm, Rescaling, convolution, sigmoid
from regard.attention.pooling import halve
from regard.attention.resampling import interpolate
from regard.core import Facts, Input, Paper, ShapeError, Start, Tap, widen
from regard.core.options import at_least

Activation = Literal["mixed", "channel", "spatial"]
Apply = Literal["residual", "naive"]
Block = Literal["preactivated", "resnext"]
Hourglass = Literal["authors", "pytorchcv"]

CARDINALITY = 32
"""Groups of the 3x3 convolution of a ResNeXt block, or the most that divide both it and the hidden width."""

SMALLEST = 1e-5
"""Added to a variance or a squared length before its root is divided by."""


class ResidualMask(Rescaling):
    """Strengthens each value by an hourglass of residual units.

    y = x * (1 + f(score(up(hourglass(x))))): the hourglass halves x `poolings` times by the maxima of 3x3 windows, r
    units after each, r more at the bottom; on the way up it interpolates to each size in turn, adds one unit of the
    features of that size before, and r units follow but at the last; score is twice norm, relu, 1x1 convolution. A unit
    is x + a bottleneck of c / 4 channels: norm, relu, 1x1; norm, relu, 3x3; norm, relu, 1x1. No layer has a bias.
    In a network of attention modules the mask rescales not x but `features`, which the backbone makes of x meanwhile.
    f is a sigmoid (`mixed`), division by the length over the channels of each position (`channel`), or a sigmoid
    after each channel's positions were normalised (`spatial`).

    Wang, Jiang, Qian, Yang, Li, Zhang, Wang, Tang: Residual Attention Network for Image Classification, CVPR 2017,
    equations 1 to 6 and figure 2. The authors' networks take 3, 2 and 1 poolings in their three stages, and
    interpolation that keeps the outer centres. `naive` is the ablation y = x * f. A unit of AttentionNeXt (`resnext`)
    is relu(x + norm of a bottleneck of c / 2 channels in 32 groups): 1x1, norm, relu; 3x3, norm, relu; 1x1. Its score
    has only the second norm and relu.

    Args:
        channels: c.
        poolings: how often the hourglass halves x.
        units: r.
        activation: f: `mixed`, `channel` or `spatial`.
        apply: `residual` or `naive`.
        block: form of a unit, `preactivated` or `resnext`.
        hourglass: `pytorchcv` is the other function of that library, with the same parameters: it pools with a border,
            doubles the features that a skip unit starts from, and adds those that are rescaled before the score.
        dims: position axes of x.
        strict: raise where batch normalisation would see one value, see `Norm`.
        start: see `Features`.

    Shape:
        x (b, c, ...) with `dims` position axes; features, if given, and y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes, or features of another shape.

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
            "Alone, or in another network, the mask rescales the features that it is computed from; in the published "
            "networks (attention56) two more residual units lie between.",
            "The two inputs of the authors' interpolation layer are read as features and a size; ports that add the "
            "second one, or that add features to a skip unit which holds them already, compute another function.",
            "A pooling halves an odd size upwards; the authors' layer drops to the smaller half, at sizes that their "
            "networks never have.",
            "Positions that tie for a maximum share its gradient, which is deterministic on CUDA; the authors' pooling "
            "gives it to one of them.",
            "The normalisations of the other activations add 1e-5, so that constant features have a gradient.",
        ),
        at="stage",
        inputs=(Input(name="features", shape="(b, c, ...)", optional=True),),
        parameters=(
            "(2*units*poolings + poolings - 1)*(2*c + 2*c*h + 4*h + h*h//g*3**dims) + 2*c*c + (2 if n else 4)*c"
            " where n = block == 'resnext'; h = max(1, c // (2 if n else 4)); g = gcd(32, h) if n else 1"
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
        block: Block = "preactivated",
        hourglass: Hourglass = "authors",
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        at_least("residual_mask", "poolings", poolings, 1)
        at_least("residual_mask", "units", units, 1)
        conv = convolution("residual_mask", dims)
        self.dims, self.activation, self.apply_as, self.hourglass = dims, activation, apply, hourglass
        unit = ResNeXtUnit if block == "resnext" else ResidualUnit

        def several(number: int) -> nn.Sequential:
            return nn.Sequential(*(unit(channels, dims=dims, strict=strict) for _ in range(number)))

        self.down = nn.ModuleList(several(units) for _ in range(poolings))
        self.bottom = several(units)
        self.skip = nn.ModuleList(several(1) for _ in range(poolings - 1))
        self.up = nn.ModuleList(several(units) for _ in range(poolings - 1))
        self.norm1 = nn.Identity() if block == "resnext" else Norm(channels, strict=strict)
        self.score1 = conv(channels, channels, 1, bias=False)
        self.norm2 = Norm(channels, strict=strict)
        self.score2 = conv(channels, channels, 1, bias=False)
        offset, low = (1.0 if apply == "residual" else 0.0), (-1.0 if activation == "channel" else 0.0)
        self.amend(exported_from=2**poolings + 1)
        self.gate = Tap("mixed", low=low + offset, high=1.0 + offset)

    def forward(self, x: Tensor, features: Tensor | None = None) -> Tensor:
        """The features, or x without any, with every value strengthened."""
        self.expect(x, (self.dims,))
        rescaled = x if features is None else self._expect_features(features, x)
        z = self._hourglass(x.to(self.score1.weight.dtype))
        if self.hourglass == "pytorchcv":
            z = z + rescaled.to(z.dtype)
        z = self.score1(relu(self.norm1(z)))
        mask = self._normalise(self.score2.logits(relu(self.norm2(z))))
        return self.rescale(rescaled, self.gate, 1 + mask if self.apply_as == "residual" else mask)

    def _expect_features(self, features: Tensor, x: Tensor) -> Tensor:
        if features.shape != x.shape:
            raise ShapeError(
                f"residual_mask: the features have shape {tuple(features.shape)} and x has {tuple(x.shape)}; the mask "
                "has the shape of x, and rescales features of that shape: give what keeps it, or x alone."
            )
        return features

    def _hourglass(self, x: Tensor) -> Tensor:
        sizes, kept, z, theirs = [tuple(x.shape[2:])], [], x, self.hourglass == "pytorchcv"
        for down in self.down:
            z = down(halve(z, border=theirs))
            kept.append(z)
            sizes.append(tuple(z.shape[2:]))
        z = self.bottom(z)
        for level in range(len(self.up) - 1, -1, -1):
            skip = self.skip[level](kept[level])
            skip = kept[level] + skip if theirs else skip
            z = self.up[level](skip + _resize(z, sizes[level + 1]))
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


class ResNeXtUnit(nn.Module):
    """A bottleneck with groups: relu(z + norm of conv1(conv3(conv1(z)))), a norm and a relu after the first two."""

    def __init__(self, channels: int, *, dims: int, strict: bool) -> None:
        super().__init__()
        conv, hidden = convolution("residual_mask", dims), max(1, channels // 2)
        groups = math.gcd(CARDINALITY, hidden)
        self.conv1 = conv(channels, hidden, 1, bias=False)
        self.norm1 = Norm(hidden, strict=strict)
        self.conv2 = conv(hidden, hidden, 3, padding=1, groups=groups, bias=False)
        self.norm2 = Norm(hidden, strict=strict)
        self.conv3 = conv(hidden, channels, 1, bias=False)
        self.norm3 = Norm(channels, strict=strict)

    def forward(self, z: Tensor) -> Tensor:
        """z plus its bottleneck, what is negative set to zero."""
        hidden = relu(self.norm1(self.conv1(z)))
        hidden = relu(self.norm2(self.conv2(hidden)))
        return relu(z + self.norm3(self.conv3(hidden)))


def _resize(z: Tensor, size: tuple[int, ...]) -> Tensor:
    return interpolate(widen(z), size, align_corners=True).to(z.dtype)
