"""The parts of a residual network: convolutions, the branch, the shortcut, and the block that adds them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from inspect import signature
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from regard import attention
from regard.core.facts import Site
from regard.core.spec import Spec, Value

Shortcut = Literal["projection", "pad", "pooled", "3x3"]
StrideIn = Literal["3x3", "1x1"]


@dataclass(frozen=True)
class Style:
    """The options that all blocks of a network share.

    Attributes:
        mechanism: the attention mechanism, or None.
        by_stage: options of the mechanism that differ from stage to stage, a dict for each stage, or none.
        stride_in: convolution of a bottleneck that has the stride.
        shortcut: form of the shortcut of a block that changes the shape.
        expansion: output channels of a bottleneck, as a multiple of those of its 3x3 convolution; a half of them is
            0.5.
        narrowing: those of the 3x3 convolution, as a multiple of the channels of the 1x1 convolution before it.
        groups: of the 3x3 convolution of a bottleneck.
        rectified: True if a ReLU precedes the gate of a basic block.
        pooled_stride: True if a 3x3 mean pooling behind the 3x3 convolution of a bottleneck has its stride.
    """

    mechanism: Spec | None = None
    by_stage: tuple[Mapping[str, Value], ...] = ()
    stride_in: StrideIn = "3x3"
    shortcut: Shortcut = "projection"
    expansion: float = 4
    narrowing: int = 1
    groups: int = 1
    rectified: bool = False
    pooled_stride: bool = False

    @property
    def site(self) -> Site | None:
        """The site of the mechanism, from its facts."""
        return None if self.mechanism is None else attention.find(self.mechanism.name).facts.at

    @property
    def step(self) -> int:
        """The number of which the channels of a 3x3 convolution are a multiple."""
        return self.groups if self.groups == 1 else self.groups * self.narrowing

    def outputs(self, width: int) -> int:
        """The output channels of a bottleneck whose 3x3 convolution has `width` channels.

        >>> Style().outputs(64), Style(expansion=0.5).outputs(64)
        (256, 32)
        """
        return max(1, int(self.expansion * width))

    def of_stage(self, stage: int) -> "Style":
        """Returns the style of the blocks of a stage, the first one 1, with the mechanism's options there.

        >>> Style(Spec("eca"), by_stage=({"kernel_size": 3}, {"kernel_size": 5})).of_stage(2).mechanism
        Spec(name='eca', options={'kernel_size': 5})
        """
        if self.mechanism is None or not self.by_stage:
            return self
        options = {**self.mechanism.options, **self.by_stage[stage - 1]}
        return replace(self, mechanism=Spec(self.mechanism.name, options), by_stage=())


class Residual(nn.Module):
    """relu(branch(x) + shortcut(x)), where the branch is the sequence of `parts`.

    Args:
        parts: the branch's modules with the names under which they are registered, in order.
        downsample: the shortcut, or None for the identity.
    """

    def __init__(self, parts: Iterable[tuple[str, nn.Module]], downsample: nn.Module | None) -> None:
        super().__init__()
        self.order: list[str] = []
        for name, part in parts:
            self.add_module(name, part)
            self.order.append(name)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """Computes the sum of both paths, (b, c, h, w)."""
        y = x
        for name in self.order:
            y = getattr(self, name)(y)
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)), inplace=True)


class PadShortcut(nn.Module):
    """He's shortcut without parameters: every `stride`-th position, and new channels that are zero."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.extra = outputs - inputs
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Maps (b, inputs, h, w) to (b, outputs, ceil(h / stride), ceil(w / stride))."""
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))

    def extra_repr(self) -> str:
        """Returns the options for `print(module)`."""
        return f"extra={self.extra}, stride={self.stride}"


def convolution(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Creates a size x size convolution without bias, with ceil(h / stride) output positions for any h >= 1."""
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, groups=groups, bias=False)


def shortcut(inputs: int, outputs: int, stride: int, form: Shortcut) -> nn.Module | None:
    """Creates the shortcut of a block; None is the identity, if the shape is unchanged.

    Args:
        inputs: channels of x.
        outputs: channels of y.
        stride: of the block.
        form: `projection`, a 1x1 convolution with the stride; `3x3`, the same with a 3x3 one where the size changes;
            `pooled`, a mean pooling before a 1x1 convolution without stride; `pad`, zero channels.
    """
    if stride == 1 and inputs == outputs:
        return None
    if form == "pad":
        return PadShortcut(inputs, outputs, stride)
    if form == "pooled":
        pool = nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
        return nn.Sequential(pool, convolution(inputs, outputs, 1), nn.BatchNorm2d(outputs))
    size = 3 if form == "3x3" and stride > 1 else 1
    return nn.Sequential(convolution(inputs, outputs, size, stride), nn.BatchNorm2d(outputs))


def basic(inputs: int, width: int, stride: int, style: Style) -> Residual:
    """Creates a block of two 3x3 convolutions; a mechanism may replace the first."""
    rectified = [("relu2", nn.ReLU(inplace=True))] if style.rectified else []
    parts = [*_wide_unit(1, inputs, width, stride, style), *_unit(2, width, width, 3), *rectified, *_gate(width, style)]
    return Residual(parts, shortcut(inputs, width, stride, style.shortcut))


def bottleneck(inputs: int, width: int, stride: int, style: Style) -> Residual:
    """Creates a block of 1x1, 3x3 and 1x1 convolutions; a mechanism may replace the 3x3, which has `width` channels."""
    outputs, narrow = style.outputs(width), max(1, width // style.narrowing)
    first, middle = (stride, 1) if style.stride_in == "1x1" else (1, stride)
    parts = [
        *_unit(1, inputs, narrow, 1, first),
        ("relu1", nn.ReLU(inplace=True)),
        *_wide_unit(2, narrow, width, 1 if style.pooled_stride else middle, style),
        *([("pool", nn.AvgPool2d(3, middle, padding=1))] if style.pooled_stride and middle > 1 else []),
        *_unit(3, width, outputs, 1),
        *_gate(outputs, style),
    ]
    return Residual(parts, shortcut(inputs, outputs, stride, style.shortcut))


def _unit(
    number: int, inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1
) -> Iterator[tuple[str, nn.Module]]:
    yield f"conv{number}", convolution(inputs, outputs, size, stride, groups)
    yield f"bn{number}", nn.BatchNorm2d(outputs)


def _wide_unit(number: int, inputs: int, outputs: int, stride: int, style: Style) -> Iterator[tuple[str, nn.Module]]:
    """Yields a 3x3 convolution, its normalisation and its ReLU; a mechanism may replace all three, or the first."""
    if style.mechanism is None or style.site not in ("conv", "kernel"):
        yield from _unit(number, inputs, outputs, 3, stride, style.groups)
        yield f"relu{number}", nn.ReLU(inplace=True)
        return
    reshape: dict[str, object] = {"out_channels": outputs} if outputs != inputs else {}
    if stride != 1:
        reshape["stride"] = stride
    takes_groups = "groups" in signature(attention.find(style.mechanism.name)).parameters
    if style.groups != 1 and takes_groups and "groups" not in style.mechanism.options:
        reshape["groups"] = style.groups
    yield "attention", attention.create(style.mechanism, channels=inputs, **reshape)
    if style.site == "kernel":
        yield f"bn{number}", nn.BatchNorm2d(outputs)
        yield f"relu{number}", nn.ReLU(inplace=True)


def _gate(channels: int, style: Style) -> Iterator[tuple[str, nn.Module]]:
    if style.mechanism is not None and style.site == "residual":
        yield "attention", attention.create(style.mechanism, channels=channels)
