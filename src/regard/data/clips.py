"""Clips and sounds with labels, one split of a source: the interface, and clips or series in memory."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import torch
from torch import Tensor

from regard.data.account import Account
from regard.data.source import Split, per_class
from regard.data.splits import pick

ClipKind = Literal["clip", "sound"]


class Clips(ABC):
    """One split: clips or sounds, each with its index and label.

    Attributes:
        labels: (n,) class numbers, int64.
        lengths: (n,) int64, the frames of each clip, the samples of each sound, the steps of each series.
        channels: 1 for grey and 3 for RGB; 1 for the waveform of a sound; the channels of a series.
        rate: samples a second if these are the waveforms of sounds; None for clips and series.
    """

    labels: Tensor
    lengths: Tensor
    channels: int
    rate: int | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, count: int, seed: int) -> "Clips":
        """Returns `count` of the clips, every class with its share, renumbered from 0."""
        return self if count == len(self) else self.take(pick(self.labels, count, seed=seed))

    @abstractmethod
    def read(self, index: int, frames: Tensor | None = None, size: tuple[int, int] | None = None) -> Tensor:
        """Returns one clip (c, t, h, w) uint8, or one sound or series (c, t) floating point.

        Args:
            index: its number.
            frames: the numbers of the only frames to return, ascending; None for all.
            size: (h, w) that frames need to cover; larger ones may be reduced while they are decoded.
        """

    @abstractmethod
    def names(self, index: int) -> str:
        """Returns the clip's name in its source: a file, a folder of frames, or an array with an index."""

    @abstractmethod
    def take(self, indices: Tensor) -> "Clips":
        """Returns these clips, renumbered from 0."""

    @abstractmethod
    def join(self, other: Self) -> Self:
        """Returns these clips and then those of `other`, of the same source."""

    @abstractmethod
    def sizes(self) -> Tensor:
        """Returns (n, 2) int64, height and width of every clip; (n, 0) of sounds."""

    @abstractmethod
    def contents(self) -> tuple[str, ...]:
        """Returns a hash of each clip's content."""

    def files(self) -> int:
        """Returns the number of files, or of clips in arrays, that these clips are made of."""
        return len(self)


class ArrayClips(Clips):
    """Clips or series in memory, one behind the other in one tensor.

    Args:
        values: (frames of all clips, c, h, w) uint8, or (steps of all series, c) floating point.
        starts: (n,) int64, where each begins in `values`.
        lengths: (n,) int64, the frames of each.
        labels: (n,) int64.
        called: the name of each.
    """

    def __init__(
        self, values: Tensor, starts: Tensor, lengths: Tensor, labels: Tensor, called: tuple[str, ...]
    ) -> None:
        self.values = values
        self.starts = starts
        self.lengths = lengths
        self.labels = labels
        self.called = called
        self.channels = values.shape[1]

    @classmethod
    def of(cls, values: Tensor, lengths: Tensor, labels: Tensor, origin: str) -> "ArrayClips":
        """Makes clips of the frames of all, without gaps; they are named `origin[number]`."""
        called = tuple(f"{origin}[{i}]" for i in range(len(labels)))
        return cls(values, lengths.cumsum(0) - lengths, lengths, labels, called)

    def read(self, index: int, frames: Tensor | None = None, size: tuple[int, int] | None = None) -> Tensor:
        """Returns one clip (c, t, h, w) or series (c, t); frames in memory are not reduced."""
        start = int(self.starts[index])
        whole = self.values[start : start + int(self.lengths[index])]
        return (whole if frames is None else whole[frames]).movedim(0, 1)

    def names(self, index: int) -> str:
        """Returns the clip's name, for example `x_train[17]`."""
        return self.called[index]

    def take(self, indices: Tensor) -> "ArrayClips":
        """Returns these clips; their frames are not copied."""
        called = tuple(self.called[i] for i in indices.tolist())
        return ArrayClips(self.values, self.starts[indices], self.lengths[indices], self.labels[indices], called)

    def join(self, other: "ArrayClips") -> "ArrayClips":
        """Returns a copy of both; every clip keeps its name."""
        return ArrayClips(
            torch.cat((self.values, other.values)),
            torch.cat((self.starts, other.starts + len(self.values))),
            torch.cat((self.lengths, other.lengths)),
            torch.cat((self.labels, other.labels)),
            self.called + other.called,
        )

    def sizes(self) -> Tensor:
        """Returns (n, 2), all equal; (n, 0) of series."""
        return torch.tensor(self.values.shape[2:], dtype=torch.int64).expand(len(self), -1)

    def contents(self) -> tuple[str, ...]:
        """Returns a hash of each clip's values."""
        rows = (self.read(i).contiguous().numpy() for i in range(len(self)))
        return tuple(hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest() for row in rows)


@dataclass(frozen=True, eq=False)
class ClipSource:
    """Clips, or sounds, with labels, in three splits; what `Source` is for images.

    Attributes:
        name: the name by which it was opened.
        kind: `clip` or `sound`.
        classes: names, in the order of the class numbers.
        channels: those of its clips, see `Clips`.
        splits: the clips of `train`, `val` and `test`, each with at least one; if the source was opened for
            scoring, `all` clips and those splits that it has of its own.
        fingerprint: a hash of the classes and of every clip's content and label in each split.
        account: the account of every file.
        options: the settings in its name, by which frames are chosen and sounds become frames.
        warnings: problems that may affect results, a sentence each.
        notes: decisions made on opening it, a sentence each.
    """

    name: str
    kind: ClipKind
    classes: tuple[str, ...]
    channels: int
    splits: Mapping[Split, Clips]
    fingerprint: str
    account: Account
    options: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def multi_label(self) -> bool:
        """False: a clip has one class."""
        return False

    def counts(self) -> dict[Split, tuple[int, ...]]:
        """Returns the number of clips of each class, by split."""
        return {split: tuple(per_class(p.labels, len(self.classes)).tolist()) for split, p in self.splits.items()}
