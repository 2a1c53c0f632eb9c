"""The residual network, for small and for large images, with sites for a mechanism."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from regard import attention
from regard.core.errors import ShapeError
from regard.core.options import at_least
from regard.models.blocks import Style, basic, bottleneck, convolution
from regard.models.inputs import expect_images
from regard.models.residual_attention import AttentionModule, Preactivated


@dataclass(frozen=True)
class Layout:
    """The depth, widths, stem and blocks of a residual network.

    Attributes:
        blocks: number of blocks of each stage.
        widths: channels of the 3x3 convolutions of each stage.
        bottlenecks: True if a block has three convolutions (1x1, 3x3, 1x1) instead of two (3x3, 3x3).
        small: a 3x3 stem that keeps the size, for small images; else a convolution and a pooling, which divide it by
            four.
        stem: channels of the convolutions of the stem: one, 7x7, or three, 3x3; by default one with the channels of
            the first stage.
        pool: the stem's pooling has a border, as in torchvision, or none and takes in the last row and column
            (`ceil`), as in Caffe.
        style: the form of the blocks.
        dropout: probability with which a feature is zeroed before the classifier in training.
        preactivated: True if the normalisations and ReLUs of a bottleneck come before its convolutions.
        modules: attention modules behind the blocks of each stage, for a mechanism that rescales the features of other
            blocks, or none.
    """

    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    bottlenecks: bool = False
    small: bool = False
    stem: tuple[int, ...] = ()
    pool: Literal["padded", "ceil"] = "padded"
    style: Style = field(default_factory=Style)
    dropout: float = 0.0
    preactivated: bool = False
    modules: tuple[int, ...] = ()


class ResNet(nn.Module):
    """A residual network with an attention mechanism in its blocks, between its stages or at its head.

    He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016. Modules are named as in torchvision.
    The site is one of the mechanism's facts: after the last normalisation of every block, before the shortcut is added
    (`layer1.0.attention`); after every stage but the last (`attention1`); instead of a block's 3x3 convolution, with
    its normalisation and ReLU or alone, the middle one of a bottleneck, the first one of a basic block; or instead of
    the pooling before the classifier (`attention`). A layout with attention modules has it in those
    (`layer1.1.attention`).

    Args:
        name: name for errors and descriptions.
        layout: depth, widths, stem and blocks.
        style: the mechanism and the form of the blocks; by default the layout's.
        num_classes: number of outputs.
        in_channels: channels of an image.

    Shape:
        x (b, in_channels, h, w) with h, w >= 1, or >= 3 with a pooling without border; y (b, num_classes), logits.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes, or too small; in training, a single image so small
            that the last stage has one position, which batch normalisation cannot normalise.

    Example:
        >>> net = ResNet("resnet8", Layout((1, 1, 1), (16, 32, 64), small=True), num_classes=10, in_channels=1)
        >>> net(torch.randn(2, 1, 17, 23)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self, name: str, layout: Layout, style: Style | None = None, *, num_classes: int = 1000, in_channels: int = 3
    ) -> None:
        super().__init__()
        style = style or layout.style
        self.name = name
        self.num_classes = at_least("resnet", "num_classes", num_classes, 1)
        self.in_channels = at_least("resnet", "in_channels", in_channels, 1)
        stem = layout.stem or layout.widths[:1]
        self.conv1 = _create_stem(in_channels, stem, layout.small)
        self.bn1 = nn.BatchNorm2d(stem[-1])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool, self.smallest = _create_stem_pooling(layout)
        self.order: list[str] = []
        channels = stem[-1]
        for stage, (depth, width) in enumerate(zip(layout.blocks, layout.widths, strict=True), start=1):
            own = style.of_stage(stage)
            blocks = list(_stage(channels, width, depth, 1 if stage == 1 else 2, layout, own))
            channels = style.outputs(width) if layout.bottlenecks else width
            if layout.modules:
                blocks += _attention_modules(channels, width, layout.modules[stage - 1], layout, own)
            self._append(f"layer{stage}", nn.Sequential(*blocks))
            between = style.site == "stage" and not layout.modules and stage < len(layout.blocks)
            if own.mechanism is not None and between:
                self._append(f"attention{stage}", attention.create(own.mechanism, channels=channels))
        if layout.preactivated:
            self._append("norm", nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True)))
        self.pooling = "attention" if style.site == "head" else "avgpool"
        pooling = _create_pooling(channels, style)
        self.add_module(self.pooling, pooling)
        self.drop = nn.Dropout(layout.dropout) if layout.dropout else None
        self.fc = nn.Linear(getattr(pooling, "out_channels", channels), num_classes)
        self.reduction = (1 if layout.small else 4) * 2 ** (len(layout.blocks) - 1)

    def _append(self, name: str, module: nn.Module) -> None:
        self.add_module(name, module)
        self.order.append(name)

    def forward(self, x: Tensor) -> Tensor:
        """Computes the logits, (b, num_classes)."""
        pooled = torch.flatten(getattr(self, self.pooling)(self.features(x)), 1)
        return self.fc(pooled if self.drop is None else self.drop(pooled))

    def features(self, x: Tensor) -> Tensor:
        """Computes the features before the pooling, (b, c, h, w)."""
        self._expect(x)
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for name in self.order:
            x = getattr(self, name)(x)
        return x

    def _expect(self, x: Tensor) -> None:
        expect_images(self.name, self.in_channels, x)
        if min(x.shape[2:]) < self.smallest:
            raise ShapeError(
                f"{self.name}: an image of {x.shape[2]}x{x.shape[3]} is too small, because this network's stem pools "
                f"without a border: take images of at least {self.smallest}x{self.smallest}, or a network whose "
                "pooling has one, for example resnet50 with attention='se'."
            )
        if self.bn1.training and x.shape[0] == 1 and max(x.shape[2:]) <= self.reduction:
            raise ShapeError(
                f"{self.name}: a single image of {x.shape[2]}x{x.shape[3]} leaves one position per channel in the "
                "last stage, whose variance batch normalisation cannot take: train with batches of two or more "
                f"(drop_last=True leaves out a last batch of one), or with images larger than {self.reduction}."
            )


def _create_stem(inputs: int, channels: tuple[int, ...], small: bool) -> nn.Module:
    """Creates the first convolution, or the first three with a normalisation and a ReLU between two of them."""
    if len(channels) == 1:
        return convolution(inputs, channels[0], *((3, 1) if small else (7, 2)))
    layers: list[nn.Module] = []
    for index, outputs in enumerate(channels):
        before = channels[index - 1] if index else inputs
        layers.append(convolution(before, outputs, 3, 1 if index or small else 2))
        if index < len(channels) - 1:
            layers += [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _create_stem_pooling(layout: Layout) -> tuple[nn.Module, int]:
    """Creates the pooling behind the stem; also returns the least height and width of an image that it takes."""
    if layout.small:
        return nn.Identity(), 1
    if layout.pool == "padded":
        return nn.MaxPool2d(3, stride=2, padding=1), 1
    return nn.MaxPool2d(3, stride=2, ceil_mode=True), 3


def _create_pooling(channels: int, style: Style) -> nn.Module:
    """Creates the pooling over positions: the mean, or a mechanism instead."""
    if style.mechanism is None or style.site != "head":
        return nn.AdaptiveAvgPool2d(1)
    return attention.create(style.mechanism, channels=channels)


def _stage(inputs: int, width: int, depth: int, stride: int, layout: Layout, style: Style) -> Iterator[nn.Module]:
    build, outputs = _block(layout), style.outputs(width) if layout.bottlenecks else width
    yield build(inputs, width, stride, style)
    for _ in range(depth - 1):
        yield build(outputs, width, 1, style)


def _attention_modules(
    channels: int, width: int, number: int, layout: Layout, style: Style
) -> Iterator[AttentionModule]:
    assert style.mechanism is not None
    for _ in range(number):
        mask = attention.create(style.mechanism, channels=channels)
        yield AttentionModule(partial(_block(layout), channels, width, 1, style), mask)


def _block(layout: Layout) -> Callable[[int, int, int, Style], nn.Module]:
    if layout.preactivated:
        return Preactivated
    return bottleneck if layout.bottlenecks else basic
