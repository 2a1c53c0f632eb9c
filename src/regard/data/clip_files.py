"""Clips in videos and in folders of frames, and sounds in files, decoded on demand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from regard.data.account import printable
from regard.data.clips import Clips
from regard.data.reading import read_image
from regard.data.sizing import Resize
from regard.data.sound import read_sound
from regard.data.video import covering, read_video


@dataclass(frozen=True)
class ClipFile:
    """A video, a folder of frames or a sound that was checked.

    Attributes:
        name: its path below the root.
        length: its frames, or its samples at its own rate.
        height: of its frames; 0 of a sound.
        width: as the height.
        digest: a hash of its content.
        frames: the paths of its frames below the root, in order; empty of a file.
        shown: of a video with a variable frame rate the decoded frame of each frame; empty otherwise.
        rate: samples a second of a sound.
    """

    name: str
    length: int
    height: int
    width: int
    digest: str
    frames: tuple[str, ...] = ()
    shown: tuple[int, ...] = ()
    rate: float = 0.0


class FileClips(Clips):
    """Videos and folders of frames below one folder.

    Args:
        root: the folder.
        clips: the videos and folders of frames.
        labels: (n,) int64.
        channels: 3 for RGB, 1 for grey, to which other frames are converted.
    """

    def __init__(self, root: Path, clips: Sequence[ClipFile], labels: Tensor, *, channels: int = 3) -> None:
        self.root = root
        self.clips = tuple(clips)
        self.labels = labels
        self.lengths = torch.tensor([clip.length for clip in clips], dtype=torch.int64)
        self.channels = channels

    def read(self, index: int, frames: Tensor | None = None, size: tuple[int, int] | None = None) -> Tensor:
        """Decodes one clip (c, t, h, w) uint8; only the chosen frames are kept, reduced while they cover `size`."""
        clip = self.clips[index]
        numbers = torch.arange(clip.length) if frames is None else frames
        if not clip.frames:
            shown = torch.tensor(clip.shown)[numbers] if clip.shown else numbers
            return read_video(self.root / clip.name, shown, size)
        smaller = Resize(covering(clip.height, clip.width, size))
        read = (read_image(self.root / clip.frames[i], self.channels) for i in numbers.tolist())
        return torch.stack([smaller(image) for image in read], dim=1)

    def names(self, index: int) -> str:
        """Returns the path below the folder."""
        return printable(self.clips[index].name)

    def take(self, indices: Tensor) -> "FileClips":
        """Returns these clips."""
        chosen = [self.clips[i] for i in indices.tolist()]
        return FileClips(self.root, chosen, self.labels[indices], channels=self.channels)

    def join(self, other: "FileClips") -> "FileClips":
        """Joins the clips of both, which are below one folder."""
        labels = torch.cat((self.labels, other.labels))
        return FileClips(self.root, (*self.clips, *other.clips), labels, channels=self.channels)

    def sizes(self) -> Tensor:
        """Returns (n, 2) heights and widths."""
        return torch.tensor([(clip.height, clip.width) for clip in self.clips]).reshape(-1, 2)

    def contents(self) -> tuple[str, ...]:
        """Returns a hash of each video, or of the frames of each folder."""
        return tuple(clip.digest for clip in self.clips)

    def files(self) -> int:
        """Returns the number of videos and frames."""
        return sum(max(1, len(clip.frames)) for clip in self.clips)


class FileSounds(Clips):
    """Sounds below one folder, as waveforms of one channel at one rate.

    Args:
        root: the folder.
        sounds: the files.
        labels: (n,) int64.
        rate: samples a second, to which all are resampled.
    """

    channels = 1

    def __init__(self, root: Path, sounds: Sequence[ClipFile], labels: Tensor, *, rate: int) -> None:
        self.root = root
        self.sounds = tuple(sounds)
        self.labels = labels
        self.rate: int = rate
        self.lengths = torch.tensor([resampled(one, rate) for one in sounds], dtype=torch.int64)

    def read(self, index: int, frames: Tensor | None = None, size: tuple[int, int] | None = None) -> Tensor:
        """Reads one waveform (1, samples) float32."""
        wave = read_sound(self.root / self.sounds[index].name, self.rate)
        return wave if frames is None else wave[:, frames]

    def names(self, index: int) -> str:
        """Returns the path below the folder."""
        return printable(self.sounds[index].name)

    def take(self, indices: Tensor) -> "FileSounds":
        """Returns these sounds."""
        chosen = [self.sounds[i] for i in indices.tolist()]
        return FileSounds(self.root, chosen, self.labels[indices], rate=self.rate)

    def join(self, other: "FileSounds") -> "FileSounds":
        """Joins the sounds of both, which are below one folder."""
        labels = torch.cat((self.labels, other.labels))
        return FileSounds(self.root, (*self.sounds, *other.sounds), labels, rate=self.rate)

    def sizes(self) -> Tensor:
        """Returns (n, 0): sounds have no height and width."""
        return torch.zeros(len(self), 0, dtype=torch.int64)

    def contents(self) -> tuple[str, ...]:
        """Returns a hash of each file."""
        return tuple(one.digest for one in self.sounds)


def resampled(sound: ClipFile, rate: int) -> int:
    """The samples of a sound at another rate, as `resample` makes them."""
    return math.ceil(sound.length * rate / int(sound.rate))
