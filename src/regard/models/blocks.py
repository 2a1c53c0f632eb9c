"""The parts of a residual network: convolutions, the branch, the shortcut, and the block that adds them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from regard import attention
from regard.core.facts import Site
from regard.core.spec import Spec

Shortcut = Literal["projection", "pad"]
StrideIn = Literal["3x3", "1x1"]
EXPANSION = 4
"""The output channels of a bottleneck, as a multiple of those of its 3x3 convolution."""


@dataclass(frozen=True)
class Style:
    """The options that all blocks of a network share.

    Attributes:
        mechanism: the attention mechanism, or None.
        stride_in: convolution of a bottleneck that has the stride.
        shortcut: form of the shortcut of a block that changes the shape.
    """

    mechanism: Spec | None = None
    stride_in: StrideIn = "3x3"
    shortcut: Shortcut = "projection"

    @property
    def site(self) -> Site | None:
        """The site of the mechanism, from its facts."""
        return None if self.mechanism is None else attention.find(self.mechanism.name).facts.at


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


def convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
    """Creates a size x size convolution without bias, with ceil(h / stride) output positions for any h >= 1."""
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)


def shortcut(inputs: int, outputs: int, stride: int, form: Shortcut) -> nn.Module | None:
    """Creates the shortcut of a block; None is the identity, if the shape is unchanged."""
    if stride == 1 and inputs == outputs:
        return None
    if form == "pad":
        return PadShortcut(inputs, outputs, stride)
    return nn.Sequential(convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


def basic(inputs: int, width: int, stride: int, style: Style) -> Residual:
    """Creates a block of two 3x3 convolutions; a mechanism may replace the first."""
    parts = [*_wide_unit(1, inputs, width, stride, style), *_unit(2, width, width, 3), *_gate(width, style)]
    return Residual(parts, shortcut(inputs, width, stride, style.shortcut))


def bottleneck(inputs: int, width: int, stride: int, style: Style) -> Residual:
    """Creates a block of 1x1, 3x3 and 1x1 convolutions to four times the width; a mechanism may replace the 3x3."""
    outputs = EXPANSION * width
    first, middle = (stride, 1) if style.stride_in == "1x1" else (1, stride)
    parts = [
        *_unit(1, inputs, width, 1, first),
        ("relu1", nn.ReLU(inplace=True)),
        *_wide_unit(2, width, width, middle, style),
        *_unit(3, width, outputs, 1),
        *_gate(outputs, style),
    ]
    return Residual(parts, shortcut(inputs, outputs, stride, style.shortcut))


def _unit(number: int, inputs: int, outputs: int, size: int, stride: int = 1) -> Iterator[tuple[str, nn.Module]]:
    yield f"conv{number}", convolution(inputs, outputs, size, stride)
    yield f"bn{number}", nn.BatchNorm2d(outputs)


def _wide_unit(number: int, inputs: int, outputs: int, stride: int, style: Style) -> Iterator[tuple[str, nn.Module]]:
    """Yields a 3x3 convolution, its normalisation and its ReLU; a mechanism may replace all three, or the first."""
    if style.mechanism is None or style.site not in ("conv", "kernel"):
        yield from _unit(number, inputs, outputs, 3, stride)
        yield f"relu{number}", nn.ReLU(inplace=True)
        return
    reshape: dict[str, object] = {"out_channels": outputs} if outputs != inputs else {}
    if stride != 1:
        reshape["stride"] = stride
    yield "attention", attention.create(style.mechanism, channels=inputs, **reshape)
    if style.site == "kernel":
        yield f"bn{number}", nn.BatchNorm2d(outputs)
        yield f"relu{number}", nn.ReLU(inplace=True)


def _gate(channels: int, style: Style) -> Iterator[tuple[str, nn.Module]]:
    if style.mechanism is not None and style.site == "residual":
        yield "attention", attention.create(style.mechanism, channels=channels)
