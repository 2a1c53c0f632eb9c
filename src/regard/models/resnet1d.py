"""A residual network of 1-D convolutions for sounds and sensors, with attention over steps and channels."""

from typing import Literal

import torch
from torch import Tensor, nn, relu
from torch.nn import functional

from regard import attention as catalogue
from regard.core.errors import OptionError, ShapeError
from regard.core.options import at_least
from regard.core.precision import widen
from regard.core.spec import Spec
from regard.models.frames import attend, clip_mechanism, mean_frames
from regard.models.resnet3d import FrameNorm

KERNELS = (8, 5, 3)
"""The kernel sizes of a block's convolutions."""

GROWTH = (1, 2, 2)
"""The channels of each block, as multiples of the width."""


class ResNet1D(nn.Module):
    """The residual network for series that is the usual baseline: three blocks of three convolutions, no stride.

    Wang, Yan, Oates: Time Series Classification from Scratch with Deep Neural Networks: A Strong Baseline, IJCNN 2017,
    figure 1. y = W mean over steps of block_3(block_2(block_1(x))). As in the authors' code a shortcut that keeps its
    channels is a normalisation alone. Every layer keeps the number of steps, so that a weight of a step is that of a
    step of the input.

    Steps that are not there are zeros before every convolution, as what lies beyond the last step, no normalisation
    sees them, and mechanisms run without them: a series in a batch gives what it gives alone.

    A mechanism goes where its facts say: after the last normalisation of every block, between blocks, or instead of the
    mean over steps, as `temporal_pool`. It needs a 1-D form, as se, eca, cbam, nonlocal, frame_gate and others have.

    Args:
        num_classes: number of outputs.
        in_channels: channels of a series, or bands of log-mel frames.
        width: channels of the first block; the others have twice as many.
        attention: a mechanism, NAME[:option=value,...], or None.

    Shape:
        series (b, in_channels, t), mask (b, t) of bool, True where there is a step; y (b, num_classes), logits.

    Raises:
        OptionError: an option out of its range, or a mechanism that has no place in this network.

    Example:
        >>> net = ResNet1D(num_classes=9, in_channels=12, width=8, attention="temporal_pool")
        >>> net(torch.randn(2, 12, 29), torch.arange(29) < torch.tensor([[29], [7]])).shape
        torch.Size([2, 9])
    """

    def __init__(
        self, *, num_classes: int, in_channels: int, width: int = 64, attention: str | Spec | None = None
    ) -> None:
        super().__init__()
        self.name = "resnet1d"
        self.num_classes = at_least("resnet1d", "num_classes", num_classes, 1)
        self.in_channels = at_least("resnet1d", "in_channels", in_channels, 1)
        at_least("resnet1d", "width", width, 1)
        mechanism = None if attention is None else Spec.parse(attention)
        site = "none" if mechanism is None else _site(mechanism)
        self.blocks, self.between = nn.ModuleList(), nn.ModuleDict()
        channels = in_channels
        for number, growth in enumerate(GROWTH):
            inputs, channels = channels, width * growth
            self.blocks.append(_Block(inputs, channels, mechanism if site == "residual" else None))
            if mechanism is not None and site == "stage" and number + 1 < len(GROWTH):
                self.between[str(number)] = clip_mechanism("resnet1d", mechanism, channels, dims=1)
        self.pool = catalogue.create(mechanism, channels=channels) if mechanism and site == "pool" else None
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, series: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits (b, num_classes)."""
        self._expect(series, mask)
        x = series if mask is None else torch.where(mask.unsqueeze(1), series, 0)
        for number, block in enumerate(self.blocks):
            x = block(x, mask)
            if str(number) in self.between:
                x = attend(self.between[str(number)], x, mask)
        pooled = mean_frames(x, mask) if self.pool is None else self.pool(x, mask)
        return widen(self.fc(pooled.to(self.fc.weight.dtype)))

    def _expect(self, series: Tensor, mask: Tensor | None) -> None:
        if series.ndim != 3 or series.shape[1] != self.in_channels or not series.is_floating_point():
            raise ShapeError(
                f"resnet1d: the series have shape {tuple(series.shape)} and dtype {series.dtype}; the network takes "
                f"floating-point sounds or series (b, {self.in_channels}, t): clips go into clipnet or resnet3d."
            )
        if not series.numel():
            raise ShapeError(f"resnet1d: the series have shape {tuple(series.shape)}; at least one step is needed.")
        if mask is not None and (mask.dtype != torch.bool or mask.shape != (series.shape[0], series.shape[2])):
            raise ShapeError(
                f"resnet1d: mask has shape {tuple(mask.shape)} and dtype {mask.dtype}; for series "
                f"{tuple(series.shape)} it must be bool, ({series.shape[0]}, {series.shape[2]}), True where there is a "
                "step."
            )


class _Same(nn.Conv1d):
    """A convolution whose output has the steps of its input; of an even kernel the larger part lies behind a step."""

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__(inputs, outputs, size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(b, outputs, t)."""
        size = self.kernel_size[0]
        return super().forward(functional.pad(x, ((size - 1) // 2, size // 2)))


class _Block(nn.Module):
    """relu(branch(x) + shortcut(x)), the branch three convolutions with their normalisations and a mechanism."""

    def __init__(self, inputs: int, outputs: int, mechanism: Spec | None) -> None:
        super().__init__()
        widths = (inputs, outputs, outputs)
        self.convs = nn.ModuleList(_Same(own, outputs, size) for own, size in zip(widths, KERNELS, strict=True))
        self.norms = nn.ModuleList(FrameNorm(outputs) for _ in KERNELS)
        self.attention = None if mechanism is None else clip_mechanism("resnet1d", mechanism, outputs, dims=1)
        self.downsample = _Same(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.norm = FrameNorm(outputs)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(b, outputs, t), zero where there is no step."""
        y = x
        for number, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True), start=1):
            y = norm(conv(y), mask)
            y = relu(y) if number < len(KERNELS) else y
        if self.attention is not None:
            y = attend(self.attention, y, mask)
        return relu(y + self.norm(self.downsample(x), mask))


def _site(mechanism: Spec) -> Literal["pool", "residual", "stage"]:
    """Returns the site of a mechanism, by its facts; an error where it has none."""
    facts = catalogue.find(mechanism.name).facts
    if facts.returns == "vector" and any(given.name == "mask" for given in facts.inputs):
        return "pool"
    if facts.at in ("residual", "stage") and facts.returns == "features" and 1 in facts.dims:
        return facts.at
    raise OptionError(
        f"resnet1d: attention={str(mechanism)!r} has no place in a network of series: it must rescale features with "
        "one position axis, or pool steps by their mask: take se, eca, nonlocal, frame_gate or temporal_pool."
    )
