"""Clips of digits among clutter: which of their frames matter is known."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from regard.core.batch import ClipBatch
from regard.core.draws import Draws
from regard.core.seeding import generator, key
from regard.data import ArrayImages
from regard.data.loading import Key, OrderedSampler

SIZE = 32
"""Height and width of a frame."""

VISIBLE = 3
"""Frames that show the digit."""

BESIDE, INSTEAD, PIECE = 2, 6, 10
"""Pieces of other digits in a frame beside the digit, and in a frame without it; the side of a piece."""

LENGTHS = (20, 40)
"""The shortest and the longest clip that is trained on."""


@dataclass(frozen=True, eq=False)
class DigitClips:
    """Clips, each a function of (seed, split, epoch, index) only.

    A clip shows one digit in `VISIBLE` of its frames, each time elsewhere, and pieces of other digits in all frames.

    Attributes:
        base: the digits, of 28 x 28 pixels.
        split: its name; only clips of `train` are drawn anew in each epoch.
        lengths: the shortest and the longest clip.
        count: number of clips; digits repeat where there are fewer.
        seed: of everything that is random.
    """

    base: ArrayImages
    split: str
    lengths: tuple[int, int] = LENGTHS
    count: int = 1000
    seed: int = 0

    def __len__(self) -> int:
        return self.count

    def with_length(self, frames: int) -> "DigitClips":
        """Returns clips of the same digits, all with so many frames."""
        return replace(self, lengths=(frames, frames))

    def draw(self, indices: Sequence[int], epoch: int = 0) -> ClipBatch:
        """Returns the clips with these numbers, normalised and padded."""
        clips = [self.clip(index, epoch)[0] for index in indices]
        counts = torch.tensor([len(clip) for clip in clips])
        padded = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
        mask = torch.arange(padded.shape[1]) < counts.unsqueeze(1)
        inputs = torch.where(mask[:, None, :, None, None], (padded.float() / 255 - 0.12)[:, None] / 0.27, 0)
        numbers = torch.tensor(indices)
        return ClipBatch(inputs, mask, self.base.labels[numbers % len(self.base)], numbers)

    def clip(self, index: int, epoch: int = 0) -> tuple[Tensor, Tensor]:
        """Returns the frames (t, SIZE, SIZE) uint8 of a clip, and the numbers of those that show the digit."""
        draws = Draws(
            key(self.seed, "frames", self.split), torch.tensor([index]), epoch if self.split == "train" else 0
        )
        low, high = self.lengths
        count = low + int(draws.uniform(1, dtype=torch.float64)[0, 0] * (high - low + 1))
        order = draws.at(step=1).uniform(count)[0].argsort(stable=True)
        shown = order[:VISIBLE].sort().values
        chance = draws.at(step=2).uniform(count * (INSTEAD + 1), 5, dtype=torch.float64)[0].unflatten(0, (count, -1))
        frames = torch.zeros(count, SIZE, SIZE, dtype=torch.uint8)
        images = self.base.images[:, 0]
        free = torch.tensor([len(images), images.shape[1] - PIECE + 1, images.shape[2] - PIECE + 1])
        others = (chance[..., :3] * free).long()
        corners = (chance[..., 3:] * (SIZE - PIECE + 1)).long()
        hidden = torch.ones(count, dtype=torch.bool).index_fill(0, shown, False)
        for number in range(INSTEAD):
            rows = hidden.nonzero()[:, 0] if number >= BESIDE else torch.arange(count)
            _put(frames, rows, _cut(images, others[rows, number]), corners[rows, number])
        own = images[index % len(images)].expand(VISIBLE, -1, -1)
        place = (chance[shown, INSTEAD, 3:] * (SIZE - own.shape[1] + 1)).long()
        _put(frames, shown, own, place)
        return frames, shown


def clip_batches(clips: DigitClips, *, batch_size: int, seed: int = 0, shuffle: bool = False) -> DataLoader[ClipBatch]:
    """Returns batches whose order is a function of (seed, epoch)."""
    return DataLoader(
        _Batches(clips),
        batch_size=batch_size,
        sampler=OrderedSampler(len(clips), seed, shuffle),
        collate_fn=lambda batch: batch,
        generator=generator(seed, "workers"),
    )


class _Batches(Dataset[ClipBatch]):
    def __init__(self, clips: DigitClips) -> None:
        self.clips = clips

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, one: Key) -> ClipBatch:
        return self.__getitems__([one])

    def __getitems__(self, keys: Sequence[Key]) -> ClipBatch:
        return self.clips.draw([key[1] for key in keys], keys[0][0])


def shown_frames(clips: DigitClips) -> Iterator[frozenset[int]]:
    """Yields the numbers of the frames that show the digit, clip by clip."""
    for index in range(len(clips)):
        yield frozenset(clips.clip(index)[1].tolist())


def _cut(images: Tensor, where: Tensor) -> Tensor:
    """(n, PIECE, PIECE) cut from image, row and column of `where` (n, 3)."""
    steps = torch.arange(PIECE)
    number, top, left = where.unbind(1)
    return images[number[:, None, None], (top[:, None] + steps)[:, :, None], (left[:, None] + steps)[:, None, :]]


def _put(frames: Tensor, rows: Tensor, parts: Tensor, corners: Tensor) -> None:
    """Lays each part (n, k, k) upon the frame of its row, at its corner, by the maximum."""
    steps = torch.arange(parts.shape[1])
    down, right = ((corners[:, axis, None] + steps) for axis in (0, 1))
    where = (rows[:, None, None], down[:, :, None], right[:, None, :])
    frames[where] = torch.maximum(frames[where], parts)
