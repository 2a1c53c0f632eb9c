"""A network for clips that sees each frame by a network for images, then attends to frames."""

from typing import Literal, get_args

from torch import Tensor, nn

from regard import attention as catalogue
from regard.core.errors import OptionError
from regard.core.options import at_least, one_of
from regard.core.precision import widen
from regard.core.spec import Spec
from regard.models.attention_lstm import AttentionLSTM
from regard.models.frames import FrameEncoder, attend, clip_mechanism, expect_clips, mean_frames
from regard.models.zoo import create

Recurrent = Literal["plain", "attention"]


class ClipNet(nn.Module):
    """Classifies clips: features of each frame, then what happens along time, then a pooling over frames.

    f_t = backbone(frame t); s = f, or the states of an LSTM that reads f; y = W pool(s)

    The pooling is the mean over frames, as in Karpathy et al.: Large-scale Video Classification with Convolutional
    Neural Networks, CVPR 2014, or a mechanism instead. With `recurrent="attention"` an LSTM chooses what it sees of
    each frame, see `AttentionLSTM`. Frames that are not there change nothing, also not while normalisations learn.

    Where a mechanism goes is said by its facts: one that makes a vector of frames, as `temporal_pool` does, replaces
    the mean; one that rescales frames, as `frame_gate` does, stands before the pooling; any other is that of the
    backbone's blocks.

    Args:
        num_classes: number of outputs.
        in_channels: channels of a frame.
        backbone: a network for images, see `models.create`, without patches.
        recurrent: None; `plain`, an LSTM that reads the mean of each frame's features; or `attention`.
        hidden: units of the LSTM.
        between: a mechanism over whole clips between backbone and LSTM or pooling, as in `nonlocal` with three position
            axes.
        attention: a mechanism, NAME[:option=value,...], or None.

    Shape:
        clips (b, in_channels, t, h, w), mask (b, t) of bool, True where there is a frame; y (b, num_classes), logits.

    Raises:
        OptionError: an option out of its range, or a mechanism that has no place in this network.

    Example:
        >>> import torch
        >>> net = ClipNet(num_classes=5, in_channels=1, backbone="resnet8", attention="temporal_pool")
        >>> net(torch.randn(2, 1, 6, 28, 28), torch.arange(6) < torch.tensor([[6], [4]])).shape
        torch.Size([2, 5])
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int = 3,
        backbone: str = "resnet8",
        recurrent: Recurrent | None = None,
        hidden: int = 128,
        between: str | None = None,
        attention: str | Spec | None = None,
    ) -> None:
        super().__init__()
        self.name = "clipnet"
        self.num_classes = at_least("clipnet", "num_classes", num_classes, 1)
        self.in_channels = at_least("clipnet", "in_channels", in_channels, 1)
        one_of("clipnet", "recurrent", recurrent, (None, *get_args(Recurrent)))
        mechanism = None if attention is None else Spec.parse(attention)
        self.site = "none" if mechanism is None else site_of(mechanism)
        if self.site == "between" and between is not None:
            raise OptionError(f"clipnet: between={between!r} and attention={str(mechanism)!r} have the same place.")
        over_clips = str(mechanism) if self.site == "between" else between
        frames = create(
            str(backbone),
            num_classes=num_classes,
            in_channels=in_channels,
            attention=mechanism if self.site == "backbone" else None,
            seed=0,
        )
        maps = recurrent == "attention" or (over_clips is not None and needs_positions(over_clips))
        self.frames = FrameEncoder(frames, num_classes, in_channels, maps=maps)
        channels = self.frames.channels
        self.between = (
            None if over_clips is None else clip_mechanism("clipnet", over_clips, channels, dims=3 if maps else 1)
        )
        looks = recurrent == "attention"
        self.lstm = None if recurrent is None else AttentionLSTM(channels, hidden, looks=looks)
        channels = channels if self.lstm is None else hidden
        self.pool = catalogue.create(mechanism, channels=channels) if mechanism and self.site == "pool" else None
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, clips: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits (b, num_classes)."""
        expect_clips(self.name, clips, self.in_channels, mask)
        x = self.frames(clips, mask)
        if self.between is not None:
            x = attend(self.between, x, mask)
        if self.lstm is not None:
            x = self.lstm(x if self.lstm.spatial is not None or x.ndim == 3 else x.mean((3, 4)), mask)
        elif x.ndim == 5:
            x = x.mean((3, 4))
        pooled = mean_frames(x, mask) if self.pool is None else self.pool(x, mask)
        return widen(self.fc(pooled.to(self.fc.weight.dtype)))


def site_of(mechanism: Spec) -> Literal["pool", "between", "backbone"]:
    """The site of a mechanism in a network for clips that sees frame by frame, by its facts.

    >>> site_of(Spec("temporal_pool")), site_of(Spec("frame_gate")), site_of(Spec("se"))
    ('pool', 'between', 'backbone')

    Raises:
        OptionError: it is for sequences with queries.
    """
    facts = catalogue.find(mechanism.name).facts
    masked = any(given.name == "mask" for given in facts.inputs)
    if facts.returns == "context":
        raise OptionError(
            f"clipnet: attention={str(mechanism)!r} answers queries, and this network has none: take temporal_pool or "
            "frame_gate for frames, or recurrent=attention for the positions of each frame."
        )
    if masked and facts.returns == "vector":
        return "pool"
    return "between" if masked and facts.returns == "features" else "backbone"


def needs_positions(mechanism: str) -> bool:
    """Returns True if a mechanism over clips needs the positions of each frame, and not only their mean."""
    facts = catalogue.find(Spec.parse(mechanism).name).facts
    return facts.family != "temporal"
