"""The Inception network with batch normalisation, and attention behind each of its modules."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad

from regard import attention
from regard.core.errors import ShapeError
from regard.core.options import at_least
from regard.core.spec import Spec
from regard.models.inputs import expect_images, expect_several_positions

SMALLEST = 7
"""The least height and width of an image: below it a pooling of the stem has no window."""

ONE_POSITION = 38
"""The largest image of which the last stage has one position."""


@dataclass(frozen=True)
class Branches:
    """The channels of one module.

    Attributes:
        single: of the 1x1 convolution; 0 for a module with a stride, which has none.
        three: of the 1x1 convolution and of the 3x3 one behind it.
        twice: of the 1x1 convolution and of each of the two 3x3 ones behind it.
        projection: of the 1x1 convolution behind the pooling; 0 for a module with a stride, which has none.
        pooling: `mean` or `max`, of a module without a stride; one with a stride takes the maximum.
    """

    single: int
    three: tuple[int, int]
    twice: tuple[int, int]
    projection: int
    pooling: str = "mean"

    @property
    def stride(self) -> int:
        """2 for a module without the first branch, which halves the size."""
        return 1 if self.single else 2

    def outputs(self, inputs: int) -> int:
        """The channels of y; the pooling of a module with a stride keeps those of x."""
        return self.single + self.three[1] + self.twice[1] + (self.projection or inputs)


@dataclass(frozen=True)
class InceptionLayout:
    """The modules of an Inception network, stage by stage.

    Attributes:
        stages: the modules of each stage.
        mechanism: the attention behind each module.
        stem: channels of the 7x7 convolution, the 1x1 convolution and the 3x3 convolution before the first module.
    """

    stages: tuple[tuple[Branches, ...], ...]
    mechanism: Spec
    stem: tuple[int, int, int] = (64, 64, 192)
    stride = "in the last module of each stage but the last"

    @property
    def blocks(self) -> tuple[int, ...]:
        """The number of modules of each stage."""
        return tuple(len(stage) for stage in self.stages)

    @property
    def widths(self) -> tuple[int, ...]:
        """The channels behind each stage."""
        channels, widths = self.stem[-1], []
        for stage in self.stages:
            for branches in stage:
                channels = branches.outputs(channels)
            widths.append(channels)
        return tuple(widths)

    def create(self, name: str, *, num_classes: int, in_channels: int) -> nn.Module:
        """Creates the network."""
        return Inception(name, self, num_classes=num_classes, in_channels=in_channels)


class Inception(nn.Module):
    """Inception modules, four branches of convolutions side by side, with attention behind each.

    Ioffe, Szegedy: Batch Normalization, ICML 2015, appendix, as the authors of squeeze-and-excitation have it: poolings
    of the stem without border, and at half the size the maximum beside two branches of convolutions.

    Args:
        name: name for errors and descriptions.
        layout: the modules and the mechanism.
        num_classes: number of outputs.
        in_channels: channels of an image.

    Shape:
        x (b, in_channels, h, w) with h, w >= 7; y (b, num_classes), logits.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes, or too small; in training, a single image so small
            that the last stage has one position, which batch normalisation cannot normalise.

    Example:
        >>> layout = InceptionLayout(((Branches(4, (4, 8), (4, 8), 4),),), Spec("se"), stem=(8, 8, 16))
        >>> Inception("inception", layout, num_classes=10)(torch.randn(2, 3, 33, 47)).shape
        torch.Size([2, 10])
    """

    def __init__(self, name: str, layout: InceptionLayout, *, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        self.name = name
        self.num_classes = at_least(name, "num_classes", num_classes, 1)
        self.in_channels = at_least(name, "in_channels", in_channels, 1)
        first, reduced, channels = layout.stem
        self.conv1 = Unit(in_channels, first, 7, 2)
        self.pool = RightPool(1)
        self.conv2 = nn.Sequential(Unit(first, reduced, 1), Unit(reduced, channels, 3))
        self.order: list[str] = []
        for stage, modules in enumerate(layout.stages, 1):
            built = nn.Sequential()
            for branches in modules:
                built.append(InceptionModule(channels, branches, layout.mechanism))
                channels = branches.outputs(channels)
            self.order.append(f"layer{stage}")
            self.add_module(self.order[-1], built)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Computes the logits, (b, num_classes)."""
        return self.fc(self.features(x).mean((2, 3)))

    def features(self, x: Tensor) -> Tensor:
        """Computes the features before the mean over positions, (b, c, h, w)."""
        expect_images(self.name, self.in_channels, x)
        if min(x.shape[2:]) < SMALLEST:
            raise ShapeError(
                f"{self.name}: an image of {x.shape[2]}x{x.shape[3]} is too small, because the stem pools without a "
                f"border: take images of at least {SMALLEST}x{SMALLEST}."
            )
        if self.training:
            expect_several_positions(self.name, x, ONE_POSITION)
        x = self.pool(self.conv2(self.pool(self.conv1(x))))
        for name in self.order:
            x = getattr(self, name)(x)
        return x


class InceptionModule(nn.Module):
    """One module: the branches side by side, then attention.

    Args:
        inputs: channels of x.
        branches: those of the branches.
        mechanism: behind them.
    """

    def __init__(self, inputs: int, branches: Branches, mechanism: Spec) -> None:
        super().__init__()
        stride = branches.stride
        if branches.single:
            self.single = Unit(inputs, branches.single, 1)
        reduced, outputs = branches.three
        self.three = nn.Sequential(Unit(inputs, reduced, 1), Unit(reduced, outputs, 3, stride))
        reduced, outputs = branches.twice
        self.twice = nn.Sequential(
            Unit(inputs, reduced, 1), Unit(reduced, outputs, 3), Unit(outputs, outputs, 3, stride)
        )
        self.pool = _create_pooling(branches)
        self.projection = Unit(inputs, branches.projection, 1) if branches.projection else nn.Identity()
        self.attention = attention.create(mechanism, channels=branches.outputs(inputs))

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w), half the size with a stride."""
        y: Tensor = self.attention(torch.cat(tuple(self._branches(x)), 1))
        return y

    def _branches(self, x: Tensor) -> Iterator[Tensor]:
        if hasattr(self, "single"):
            yield self.single(x)
        yield self.three(x)
        yield self.twice(x)
        yield self.projection(self.pool(x))


class Unit(nn.Sequential):
    """A convolution that keeps the size but for its stride, a normalisation and a ReLU."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)


class RightPool(nn.Module):
    """The maximum of windows of 3x3 with a stride of 2, the first one at the first position.

    With a border of 1 this is Caffe's pooling without border: half the size, rounded down. With 2 the size is rounded
    up, as by the convolutions with a stride beside which such a pooling stands; an even size gives the same values.

    Args:
        border: positions to the right and below that a window may include.
    """

    def __init__(self, border: int) -> None:
        super().__init__()
        self.border = border

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w)."""
        # Not ceil_mode, which an export with dynamic sizes does not take.
        return max_pool2d(pad(x, (0, self.border, 0, self.border), value=float("-inf")), 3, 2)


def _create_pooling(branches: Branches) -> nn.Module:
    if branches.stride == 2:
        return RightPool(2)
    return nn.MaxPool2d(3, 1, padding=1) if branches.pooling == "max" else nn.AvgPool2d(3, 1, padding=1)


SE_BN_INCEPTION = InceptionLayout(
    (
        (
            Branches(64, (64, 64), (64, 96), 32),
            Branches(64, (64, 96), (64, 96), 64),
            Branches(0, (128, 160), (64, 96), 0),
        ),
        (
            Branches(224, (64, 96), (96, 128), 128),
            Branches(192, (96, 128), (96, 128), 128),
            Branches(160, (128, 160), (128, 160), 128),
            Branches(96, (128, 192), (160, 192), 128),
            Branches(0, (128, 192), (192, 256), 0),
        ),
        (
            Branches(352, (192, 320), (160, 224), 128),
            Branches(352, (192, 320), (192, 224), 128, "max"),
        ),
    ),
    Spec("se"),
)
"""SE-BN-Inception of Hu et al., as their network file has it."""
