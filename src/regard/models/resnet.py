"""The residual network, for small and for large images, with sites for a mechanism."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard import attention
from regard.core.errors import ShapeError
from regard.core.options import at_least
from regard.models.blocks import EXPANSION, Residual, Style, basic, bottleneck


@dataclass(frozen=True)
class Layout:
    """The depth, widths and stem of a residual network.

    Attributes:
        blocks: number of blocks of each stage.
        widths: channels of the 3x3 convolutions of each stage; the stem has those of the first.
        bottlenecks: True if a block has three convolutions (1x1, 3x3, 1x1) instead of two (3x3, 3x3).
        small: a 3x3 stem that keeps the size, for small images; else 7x7 and a pooling, which divide it by four.
    """

    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    bottlenecks: bool = False
    small: bool = False


class ResNet(nn.Module):
    """A residual network with an attention mechanism in its blocks, between its stages or at its head.

    He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016. Modules are named as in torchvision.
    The site is one of the mechanism's facts: after the last normalisation of every block, before the shortcut is added
    (`layer1.0.attention`); after every stage but the last (`attention1`); instead of a block's 3x3 convolution, with
    its normalisation and ReLU or alone, the middle one of a bottleneck, the first one of a basic block; or instead of
    the pooling before the classifier (`attention`).

    Args:
        name: name for errors and descriptions.
        layout: depth, widths and stem.
        style: the mechanism and the two published variations of the blocks.
        num_classes: number of outputs.
        in_channels: channels of an image.

    Shape:
        x (b, in_channels, h, w) with h, w >= 1; y (b, num_classes), logits.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes; in training, a single image so small that the
            last stage has one position, which batch normalisation cannot normalise.

    Example:
        >>> net = ResNet("resnet8", Layout((1, 1, 1), (16, 32, 64), small=True), num_classes=10, in_channels=1)
        >>> net(torch.randn(2, 1, 17, 23)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self, name: str, layout: Layout, style: Style | None = None, *, num_classes: int = 1000, in_channels: int = 3
    ) -> None:
        super().__init__()
        style = style or Style()
        self.name = name
        self.num_classes = at_least("resnet", "num_classes", num_classes, 1)
        self.in_channels = at_least("resnet", "in_channels", in_channels, 1)
        stem, size, stride = layout.widths[0], *((3, 1) if layout.small else (7, 2))
        self.conv1 = nn.Conv2d(in_channels, stem, size, stride=stride, padding=size // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if layout.small else nn.MaxPool2d(3, stride=2, padding=1)
        self.order: list[str] = []
        channels = stem
        for stage, (depth, width) in enumerate(zip(layout.blocks, layout.widths, strict=True), start=1):
            blocks = _stage(channels, width, depth, 1 if stage == 1 else 2, layout.bottlenecks, style)
            channels = EXPANSION * width if layout.bottlenecks else width
            self._append(f"layer{stage}", nn.Sequential(*blocks))
            if style.mechanism is not None and style.site == "stage" and stage < len(layout.blocks):
                self._append(f"attention{stage}", attention.create(style.mechanism, channels=channels))
        self.pooling = "attention" if style.site == "head" else "avgpool"
        pooling = _create_pooling(channels, style)
        self.add_module(self.pooling, pooling)
        self.fc = nn.Linear(getattr(pooling, "out_channels", channels), num_classes)
        self.reduction = (1 if layout.small else 4) * 2 ** (len(layout.blocks) - 1)

    def _append(self, name: str, module: nn.Module) -> None:
        self.add_module(name, module)
        self.order.append(name)

    def forward(self, x: Tensor) -> Tensor:
        """Computes the logits, (b, num_classes)."""
        return self.fc(torch.flatten(getattr(self, self.pooling)(self.features(x)), 1))

    def features(self, x: Tensor) -> Tensor:
        """Computes the features before the pooling, (b, c, h, w)."""
        self._expect(x)
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for name in self.order:
            x = getattr(self, name)(x)
        return x

    def _expect(self, x: Tensor) -> None:
        if x.ndim != 4 or x.shape[1] != self.in_channels or not x.is_floating_point():
            raise ShapeError(
                f"{self.name}: the images have shape {tuple(x.shape)} and dtype {x.dtype}; the network takes "
                f"floating-point images (b, {self.in_channels}, h, w): convert them, or create the network with "
                "in_channels= the number of their channels."
            )
        if self.bn1.training and x.shape[0] == 1 and max(x.shape[2:]) <= self.reduction:
            raise ShapeError(
                f"{self.name}: a single image of {x.shape[2]}x{x.shape[3]} leaves one position per channel in the "
                "last stage, whose variance batch normalisation cannot take: train with batches of two or more "
                f"(drop_last=True leaves out a last batch of one), or with images larger than {self.reduction}."
            )


def _create_pooling(channels: int, style: Style) -> nn.Module:
    """Creates the pooling over positions: the mean, or a mechanism instead."""
    if style.mechanism is None or style.site != "head":
        return nn.AdaptiveAvgPool2d(1)
    return attention.create(style.mechanism, channels=channels)


def _stage(inputs: int, width: int, depth: int, stride: int, bottlenecks: bool, style: Style) -> Iterator[Residual]:
    build, outputs = (bottleneck, EXPANSION * width) if bottlenecks else (basic, width)
    yield build(inputs, width, stride, style)
    for _ in range(depth - 1):
        yield build(outputs, width, 1, style)
