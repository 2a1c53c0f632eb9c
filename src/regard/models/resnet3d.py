"""A small residual network of 3-D convolutions for clips, with attention over time and positions."""

from typing import Literal

from torch import Tensor, nn, relu

from regard import attention as catalogue
from regard.attention.layers import Norm
from regard.core.errors import OptionError
from regard.core.options import at_least
from regard.core.precision import widen
from regard.core.spec import Spec
from regard.models.frames import attend, clip_mechanism, expect_clips, mean_frames

STAGES = 3


class ResNet3D(nn.Module):
    """A residual network whose convolutions see three frames at a time.

    Hara, Kataoka, Satoh: Can Spatiotemporal 3D CNNs Retrace the History of 2D CNNs and ImageNet?, CVPR 2018, with the
    layout of He et al.'s networks for small images: a 3x3x3 stem, three stages of n blocks of two 3x3x3 convolutions,
    which halve height and width and double the channels from stage to stage, so that depth is 6 n + 2. It differs from
    the paper: time is never strided, so that a weight of a frame is that of a frame of the clip.

    Frames that are not there are zeros before every convolution, as what lies beyond the last frame, and no
    normalisation sees them: a clip in a batch gives what it gives alone.

    A mechanism goes where its facts say: after the last normalisation of every block, between the stages, or instead
    of the mean over frames, as `temporal_pool`.

    Args:
        num_classes: number of outputs.
        in_channels: channels of a frame.
        depth: 8, 14, 20 ...
        width: channels of the first stage.
        attention: a mechanism, NAME[:option=value,...], or None.

    Shape:
        clips (b, in_channels, t, h, w), mask (b, t) of bool, True where there is a frame; y (b, num_classes), logits.

    Raises:
        OptionError: an option out of its range, or a mechanism that has no place in this network.

    Example:
        >>> import torch
        >>> net = ResNet3D(num_classes=5, in_channels=1, width=4, attention="cbam")
        >>> net(torch.randn(2, 1, 6, 12, 12), torch.arange(6) < torch.tensor([[6], [4]])).shape
        torch.Size([2, 5])
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int = 3,
        depth: int = 8,
        width: int = 16,
        attention: str | Spec | None = None,
    ) -> None:
        super().__init__()
        self.name = "resnet3d"
        self.num_classes = at_least("resnet3d", "num_classes", num_classes, 1)
        self.in_channels = at_least("resnet3d", "in_channels", in_channels, 1)
        if isinstance(depth, bool) or not isinstance(depth, int) or depth < 8 or (depth - 2) % 6:
            raise OptionError(f"resnet3d: depth={depth!r} is not allowed; it must be 6 n + 2: 8, 14, 20 ...")
        mechanism = None if attention is None else Spec.parse(attention)
        site = "none" if mechanism is None else _site(mechanism)
        channels = at_least("resnet3d", "width", width, 1)
        self.conv1 = nn.Conv3d(in_channels, channels, 3, padding=1, bias=False)
        self.bn1 = FrameNorm(channels)
        self.blocks, self.between = nn.ModuleList(), nn.ModuleDict()
        for stage in range(STAGES):
            for number in range((depth - 2) // 6):
                inputs, channels = channels, width * 2**stage
                gate = mechanism if site == "residual" else None
                self.blocks.append(_Block(inputs, channels, 2 if stage and number == 0 else 1, gate))
            if mechanism is not None and site == "stage" and stage + 1 < STAGES:
                made = clip_mechanism("resnet3d", mechanism, channels, dims=3)
                self.between[str(len(self.blocks) - 1)] = made
        self.pool = catalogue.create(mechanism, channels=channels) if mechanism and site == "pool" else None
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, clips: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits (b, num_classes)."""
        expect_clips(self.name, clips, self.in_channels, mask)
        clips = clips if mask is None else clips.masked_fill(~mask[:, None, :, None, None], 0)
        x = relu(self.bn1(self.conv1(clips), mask))
        for number, block in enumerate(self.blocks):
            x = block(x, mask)
            if str(number) in self.between:
                x = attend(self.between[str(number)], x, mask)
        x = x.mean((3, 4))
        pooled = mean_frames(x, mask) if self.pool is None else self.pool(x, mask)
        return widen(self.fc(pooled.to(self.fc.weight.dtype)))


class FrameNorm(nn.Module):
    """Batch normalisation of clips (b, c, t, h, w) over the frames that are there; the others become 0.

    Args:
        channels: c.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = Norm(channels)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """The normalised clips."""
        if mask is None:
            return self.norm(x)
        frames = x.transpose(1, 2)
        there = self.norm(frames[mask])
        return there.new_zeros(frames.shape).index_put((mask,), there).transpose(1, 2)


class _Block(nn.Module):
    """relu(branch(x) + shortcut(x)), the branch two convolutions with their normalisations and a mechanism."""

    def __init__(self, inputs: int, outputs: int, stride: int, mechanism: Spec | None) -> None:
        super().__init__()
        steps = (1, stride, stride)
        self.conv1 = nn.Conv3d(inputs, outputs, 3, stride=steps, padding=1, bias=False)
        self.bn1 = FrameNorm(outputs)
        self.conv2 = nn.Conv3d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = FrameNorm(outputs)
        self.attention = None if mechanism is None else clip_mechanism("resnet3d", mechanism, outputs, dims=3)
        changes = stride > 1 or inputs != outputs
        self.downsample = nn.Conv3d(inputs, outputs, 1, stride=steps, bias=False) if changes else None
        self.bn3 = FrameNorm(outputs) if changes else None

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(b, outputs, t, h, w)."""
        y = relu(self.bn1(self.conv1(x), mask))
        y = self.bn2(self.conv2(y), mask)
        if self.attention is not None:
            y = attend(self.attention, y, mask)
        if self.downsample is not None and self.bn3 is not None:
            x = self.bn3(self.downsample(x), mask)
        return relu(y + x)


def _site(mechanism: Spec) -> Literal["pool", "residual", "stage"]:
    """The site of a mechanism, by its facts; an error where it goes nowhere."""
    facts = catalogue.find(mechanism.name).facts
    if facts.returns == "vector" and any(given.name == "mask" for given in facts.inputs):
        return "pool"
    if facts.at in ("residual", "stage"):
        return facts.at
    raise OptionError(
        f"resnet3d: attention={str(mechanism)!r} belongs at {facts.at}, and this network has sites in its blocks, "
        "between its stages, and for a pooling over frames: take cbam, nonlocal or temporal_pool."
    )
