"""The visual attention network, whose blocks are large kernel attention and a feed-forward part."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from regard import attention
from regard.core.options import at_least
from regard.core.spec import Spec
from regard.models.inputs import expect_images, expect_several_positions

MECHANISM = Spec("lka", {"projections": True})


@dataclass(frozen=True)
class VANLayout:
    """The depth and widths of a visual attention network.

    Attributes:
        blocks: number of blocks of each stage.
        widths: channels of each stage.
        ratios: hidden channels of the feed-forward parts of each stage, as a multiple of its channels.
        drop_path: probability with which the last block's branches are left out for an image in training; it grows
            linearly from 0 in the first block.
    """

    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    ratios: tuple[int, ...] = (8, 8, 4, 4)
    drop_path: float = 0.1
    stride = "in the embedding before each stage"

    def create(self, name: str, *, num_classes: int, in_channels: int) -> nn.Module:
        """Creates the network."""
        return VAN(name, self, num_classes=num_classes, in_channels=in_channels)


class VAN(nn.Module):
    """A network of four stages: an embedding that reduces the size, then blocks of attention and feed-forward parts.

    x + scale1 * attention(norm1(x)), then x + scale2 * feed_forward(norm2(x))

    Guo, Lu, Liu, Cheng, Hu: Visual Attention Network, Computational Visual Media 2023, section 3.3, as in the authors'
    code: the attention is `lka` with its projections, and every stage ends with a layer normalisation over channels.

    Args:
        name: name for errors and descriptions.
        layout: depth and widths.
        num_classes: number of outputs.
        in_channels: channels of an image.

    Shape:
        x (b, in_channels, h, w) with h, w >= 1; y (b, num_classes), logits.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes; in training, a single image so small that the last
            stage has one position, which batch normalisation cannot normalise.

    Example:
        >>> net = VAN("van", VANLayout((1, 1), (8, 16), (4, 4)), num_classes=10)
        >>> net(torch.randn(2, 3, 33, 47)).shape
        torch.Size([2, 10])
    """

    def __init__(self, name: str, layout: VANLayout, *, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        self.name = name
        self.num_classes = at_least(name, "num_classes", num_classes, 1)
        self.in_channels = at_least(name, "in_channels", in_channels, 1)
        self.stages = len(layout.blocks)
        self.reduction = 4 * 2 ** (self.stages - 1)
        last = max(1, sum(layout.blocks) - 1)
        rates = iter(layout.drop_path * block / last for block in range(sum(layout.blocks)))
        channels = in_channels
        for stage, (depth, width, ratio) in enumerate(zip(layout.blocks, layout.widths, layout.ratios, strict=True), 1):
            self.add_module(f"embed{stage}", Embedding(channels, width, *((7, 4) if stage == 1 else (3, 2))))
            self.add_module(f"layer{stage}", nn.Sequential(*(Block(width, ratio, next(rates)) for _ in range(depth))))
            self.add_module(f"norm{stage}", ChannelNorm(width, eps=1e-6))
            channels = width
        self.fc = Classifier(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Computes the logits, (b, num_classes)."""
        return self.fc(self.features(x).mean((2, 3)))

    def features(self, x: Tensor) -> Tensor:
        """Computes the features before the mean over positions, (b, c, h, w)."""
        expect_images(self.name, self.in_channels, x)
        if self.training:
            expect_several_positions(self.name, x, self.reduction)
        for stage in range(1, self.stages + 1):
            for part in ("embed", "layer", "norm"):
                x = getattr(self, f"{part}{stage}")(x)
        return x


class Embedding(nn.Sequential):
    """A convolution with a stride, and a normalisation."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int) -> None:
        super().__init__()
        self.conv = Convolution(inputs, outputs, size, stride, padding=size // 2)
        self.norm = nn.BatchNorm2d(outputs)


class Block(nn.Module):
    """Large kernel attention, then a feed-forward part, each behind a normalisation and beside a shortcut.

    Args:
        channels: of x and y.
        ratio: hidden channels of the feed-forward part, as a multiple of `channels`.
        drop_path: probability with which a branch is left out for an image in training.
    """

    def __init__(self, channels: int, ratio: int, drop_path: float) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.norm1 = nn.BatchNorm2d(channels)
        self.attention = attention.create(MECHANISM, channels=channels)
        self.scale1 = ChannelScale(channels)
        self.norm2 = nn.BatchNorm2d(channels)
        self.feed_forward = FeedForward(channels, ratio * channels)
        self.scale2 = ChannelScale(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(b, channels, h, w)."""
        x = x + self._leave_out(self.scale1(self.attention(self.norm1(x))))
        return x + self._leave_out(self.scale2(self.feed_forward(self.norm2(x))))

    def _leave_out(self, branch: Tensor) -> Tensor:
        """Zeroes the branch of some images in training and multiplies the others, so that the mean is kept."""
        if not self.training or self.drop_path == 0:
            return branch
        return branch * functional.dropout(branch.new_ones(branch.shape[0], 1, 1, 1), self.drop_path)


class FeedForward(nn.Sequential):
    """A 1x1 convolution, a depthwise 3x3 one, a GELU and a 1x1 convolution."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.widen = Convolution(channels, hidden, 1)
        self.depthwise = Convolution(hidden, hidden, 3, padding=1, groups=hidden)
        self.gelu = nn.GELU()
        self.narrow = Convolution(hidden, channels, 1)


class ChannelScale(nn.Module):
    """Multiplies each channel by a learned number, at first 0.01."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets every number to 0.01."""
        nn.init.constant_(self.weight, 0.01)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w)."""
        return x * self.weight[:, None, None]


class ChannelNorm(nn.LayerNorm):
    """A layer normalisation over the channels of each position."""

    def forward(self, input: Tensor) -> Tensor:
        """(b, c, h, w)."""
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


class Convolution(nn.Conv2d):
    """A convolution with the authors' start: He's normal initialisation by the fan out of one group, zero biases."""

    def reset_parameters(self) -> None:
        """Draws the weight; the biases become zero."""
        nn.init.normal_(self.weight, std=math.sqrt(2 * self.groups / (self.out_channels * self.weight[0, 0].numel())))
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class Classifier(nn.Linear):
    """A linear layer with the authors' start: a truncated normal distribution, zero biases."""

    def reset_parameters(self) -> None:
        """Draws the weight; the biases become zero."""
        nn.init.trunc_normal_(self.weight, std=0.02)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
