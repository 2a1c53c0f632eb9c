"""Preprocessing of clips and sounds for a network, saved with its weights so that predictions use the same."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor

from regard.core.coding import decode, encode
from regard.core.errors import DataError, OptionError, ShapeError
from regard.core.options import at_least, one_of
from regard.data.clips import Clips, ClipSource
from regard.data.mel import Mel, log_mel
from regard.data.preprocessing import SMALL, Normalise
from regard.data.sizing import CROPPED, Fit, build_resize, parse_size

Sampling = Literal["uniform", "random", "dense"]
SAMPLINGS: tuple[Sampling, ...] = ("uniform", "random", "dense")

SIDE = 112
"""The default size of larger videos."""

FRAMES = 32
"""The default number of frames of videos in files."""

_LOOKED_AT = 2000
_FRAMES_LOOKED_AT = 8
"""Statistics of clips are taken from so many frames of so many training clips, evenly spread."""


@dataclass(frozen=True)
class ClipPreprocessing:
    """Chooses the frames of a clip and brings their values to zero mean and unit standard deviation.

    Attributes:
        kind: `clip`, or `sound` of sounds and series of sensors.
        channels: those of the network's input: 1 or 3 of clips, the bands of log-mel frames, those of a series.
        mean: of each channel over the frames of the training clips; of clips with values from 0 to 1.
        std: of each channel.
        size: (h, w) of a clip's frames; None of sounds.
        resize: as for images, see `Preprocessing`.
        frames: the most frames of a clip; None for all. A clip with fewer keeps its own number.
        sampling: the frames of a longer clip. `uniform`: one in the middle of each of `frames` equal segments;
            `random`: in training one at random in each segment (Wang et al., Temporal Segment Networks, ECCV 2016),
            otherwise as `uniform`; `dense`: `frames` consecutive ones, in training from a random start, otherwise
            from the middle of the clip.
        stride: with `dense`, the distance of consecutive frames.
        mel: the log-mel frames of sounds; None of clips and series.
    """

    kind: Literal["clip", "sound"]
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: tuple[int, ...] | None = None
    resize: Literal["exact", "crop", "pad"] = "exact"
    frames: int | None = None
    sampling: Sampling = "uniform"
    stride: int = 1
    mel: Mel | None = None

    def __post_init__(self) -> None:
        one_of("ClipPreprocessing", "kind", self.kind, ("clip", "sound"))
        one_of("ClipPreprocessing", "sampling", self.sampling, SAMPLINGS)
        at_least("ClipPreprocessing", "stride", self.stride, 1)
        if self.frames is not None:
            at_least("ClipPreprocessing", "frames", self.frames, 1)
        fits = (
            self.channels >= 1
            and len(self.mean) == len(self.std) == self.channels
            and min(self.std) > 0
            and (self.kind == "clip") == (self.size is not None)
            and (self.size is None or (len(self.size) == 2 and min(self.size) >= 1 and self.channels in (1, 3)))
            and (self.mel is None or (self.kind == "sound" and self.mel.bands == self.channels))
        )
        if not fits:
            raise OptionError(
                f"{self} is not possible: mean and std have one number a channel, std over 0; clips have a size (h, w) "
                "and 1 or 3 channels, sounds none; the bands of mel are the channels."
            )

    def choose(self, length: int, random: torch.Generator | None = None) -> Tensor:
        """Returns the numbers of the frames of a clip with `length` frames, ascending.

        Args:
            length: its frames.
            random: the generator of the draws in training; None otherwise.
        """
        if self.frames is None and self.sampling != "dense":
            return torch.arange(length)
        if self.sampling == "dense":
            most = -(-length // self.stride)
            count = min(most, self.frames or most)
            free = length - (count - 1) * self.stride
            start = (free - 1) // 2 if random is None else int(torch.randint(free, (), generator=random))
            return start + self.stride * torch.arange(count)
        count = min(length, self.frames or length)
        edges = torch.arange(count + 1) * length // count
        width = edges[1:] - edges[:-1]
        if random is None or self.sampling == "uniform":
            return edges[:-1] + (width - 1) // 2
        draws = torch.rand(count, dtype=torch.float64, generator=random)
        return edges[:-1] + (draws * width).long().clamp_max(width - 1)

    def read(self, clips: Clips, index: int, random: torch.Generator | None = None) -> Tensor:
        """Reads one clip as the network's input, (c, t, h, w) or (c, t) float32.

        Args:
            clips: one split of a source.
            index: the clip's number.
            random: as for `choose`.

        Raises:
            DataError: the clip cannot be read, or has other channels than the network takes.
        """
        if self.mel is not None and clips.rate is None:
            raise DataError(
                f"{clips.names(index)} is a series of numbers, but the network was trained on log-mel frames of "
                "sounds: give it sounds."
            )
        if self.mel is not None:
            return self._normalise_series(log_mel(clips.read(index)[0], self.mel), clips.names(index))
        frames = self.choose(int(clips.lengths[index]), random)
        if self.size is None:
            whole = len(frames) == int(clips.lengths[index])
            return self._normalise_series(clips.read(index, None if whole else frames), clips.names(index))
        size = (self.size[0], self.size[1])
        margin = 1 / CROPPED if self.resize == "crop" else 1.0
        needed = (math.ceil(margin * size[0]), math.ceil(margin * size[1]))
        raw = clips.read(index, frames, needed).movedim(0, 1)
        sized: Tensor = build_resize(size, self.resize, self.mean)(raw)
        shown: Tensor = Normalise(self.channels, self.mean, self.std)(sized)
        return shown.movedim(0, 1)

    def _normalise_series(self, values: Tensor, name: str) -> Tensor:
        if values.ndim != 2 or len(values) != self.channels:
            raise ShapeError(
                f"{name} is {tuple(values.shape)}, (channels, steps), but the network takes {self.channels} channels."
            )
        mean, std = (torch.tensor(v, dtype=torch.float64)[:, None] for v in (self.mean, self.std))
        return ((values.double() - mean) / std).float()

    def restore(self, inputs: Tensor) -> Tensor:
        """Converts the network's input back: clips (..., c, t, h, w) to uint8, sounds (..., c, t) to their units."""
        shape = (-1, 1, 1, 1) if self.kind == "clip" else (-1, 1)
        mean, std = (torch.tensor(v, device=inputs.device).reshape(shape) for v in (self.mean, self.std))
        values = inputs.float() * std + mean
        return (values.clamp(0, 1) * 255).round().to(torch.uint8) if self.kind == "clip" else values

    def to_json(self) -> dict[str, Any]:
        """Converts the record to lists, numbers and strings."""
        record = encode(self)
        assert isinstance(record, dict)
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any], where: str = "the file") -> Self:
        """Restores the record from the output of `to_json`.

        Raises:
            DataError: the record describes no preprocessing.
        """
        return decode(cls, dict(record), where, remedy="it was written by another version", error=DataError)


def clip_preprocessing_for(
    source: ClipSource,
    *,
    size: int | str | tuple[int, int] | None = None,
    fit: Fit | None = None,
    frames: int | None = None,
    sampling: Sampling | None = None,
    stride: int | None = None,
) -> ClipPreprocessing:
    """Learns the preprocessing of a network from the training clips of a source.

    What is not given stands in the name of the source, see `open_clips` and `open_sound`; else clips of one size up to
    96 pixels keep it, others become 112 x 112, and videos in files have at most 32 frames.

    Args:
        source: clips or sounds.
        size: of a clip's frames; one number of pixels, or HEIGHTxWIDTH.
        fit: `crop`, `pad` or `squeeze`, as for images; by default frames of another shape are cropped.
        frames: the most frames of a clip; 0 for all.
        sampling: see `ClipPreprocessing`.
        stride: see there.
    """
    train, options = source.splits["train"], source.options
    if source.kind == "sound":
        mel: Mel | None = options.get("mel") if train.rate is not None else None
        mean, std = _series_statistics(train, mel)
        return ClipPreprocessing("sound", len(mean), mean, std, mel=mel)
    sizes = train.sizes().unique(dim=0)
    own = (int(sizes[0, 0]), int(sizes[0, 1])) if len(sizes) == 1 and int(sizes.max()) <= SMALL else None
    chosen = parse_size(size if size is not None else options.get("size")) or own or (SIDE, SIDE)
    how = fit or options.get("fit") or ("squeeze" if own == chosen else "crop")
    most = frames if frames is not None else options.get("frames")
    mean, std = _frame_statistics(train)
    return ClipPreprocessing(
        "clip",
        train.channels,
        mean,
        std,
        size=chosen,
        resize="exact" if how == "squeeze" else how,
        frames=most or None,
        sampling=sampling or options.get("sampling") or "uniform",
        stride=stride or options.get("stride") or 1,
    )


def _spread(count: int, most: int) -> list[int]:
    """Up to `most` of the numbers below `count`, evenly spread."""
    return sorted({i * count // most for i in range(most)}) if count > most else list(range(count))


def _frame_statistics(train: Clips) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, every clip with equal weight; flat channels have 1/255."""
    mean = square = torch.zeros(train.channels, dtype=torch.float64)
    chosen = _spread(len(train), _LOOKED_AT)
    for index in chosen:
        frames = torch.tensor(_spread(int(train.lengths[index]), _FRAMES_LOOKED_AT))
        pixels = train.read(index, frames, (SIDE, SIDE)).flatten(1).double() / 255
        mean, square = mean + pixels.mean(1), square + pixels.square().mean(1)
    mean, square = mean / len(chosen), square / len(chosen)
    std = (square - mean.square()).clamp_min(0).sqrt().clamp_min(1 / 255)
    return tuple(round(v, 6) for v in mean.tolist()), tuple(round(v, 6) for v in std.tolist())


def _series_statistics(train: Clips, mel: Mel | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over all frames; channels that never change have 1."""
    count, mean, squares = 0, torch.zeros(()), torch.zeros(())
    for index in _spread(len(train), _LOOKED_AT):
        raw = train.read(index)
        values = (raw if mel is None else log_mel(raw[0], mel)).double()
        frames, own = values.shape[1], values.mean(1)
        # combined by Chan, Golub and LeVeque's update, since a sensor's mean may be far from zero
        step = own - mean
        total = count + frames
        squares = squares + (values - own[:, None]).square().sum(1) + step.square() * count * frames / total
        mean, count = mean + step * frames / total, total
    std = (squares / count).sqrt()
    usable = std > 1e-12 * (1 + mean.abs())
    return tuple(mean.tolist()), tuple(torch.where(usable, std, 1.0).tolist())


def frames_shown(preprocessing: ClipPreprocessing, clips: Clips, index: int) -> Tensor:
    """Returns the numbers of a clip's frames that a network sees in evaluation; of sounds one a log-mel frame."""
    if preprocessing.mel is not None:
        return torch.arange(preprocessing.mel.frames(int(clips.lengths[index])))
    return preprocessing.choose(int(clips.lengths[index]))


def seconds_a_frame(preprocessing: ClipPreprocessing) -> float:
    """Returns the seconds from one frame of a sound to the next; NaN of clips and series."""
    mel = preprocessing.mel
    return mel.hop_samples / mel.rate if mel is not None else math.nan
