"""Images with rows of three to five digits in clutter: functions of (seed, split, epoch, index)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from regard.core.draws import Draws
from regard.core.seeding import key
from regard.data import ArrayImages, Captions, Statistics
from regard.data.images import DrawnImages

HEIGHT, WIDTH = 40, 128
SIDE, MARGIN = 20, 4
"""A digit of MNIST has a box of 20 x 20 pixels and a margin of 4."""

LEAST, MOST = 3, 5
PIECES, PIECE = 6, 6
_MEASURED = 2000


class DigitRows(DrawnImages):
    """Rows of real digits at random distances and heights, among pieces of other digits, combined by maximum.

    The digits of a row are fixed; of the training images the writing, the positions and the clutter change with the
    epoch.

    Args:
        base: images (n, 1, 28, 28) of digits with their classes.
        count: number of rows.
        seed: together with the split's name it determines everything.
        split: the split's name.
        epoch: the epoch of the images.
        numbers: (count,) the rows' numbers; 0 to count - 1 by default.
    """

    def __init__(
        self, base: ArrayImages, count: int, *, seed: int, split: str, epoch: int = 0, numbers: Tensor | None = None
    ) -> None:
        self.base, self.seed, self.split, self.epoch = base, seed, split, epoch
        self.numbers = torch.arange(count) if numbers is None else numbers
        self.labels = torch.zeros(len(self.numbers), dtype=torch.int64)
        self.channels = 1
        self.order = base.labels.argsort(stable=True)
        self.sizes_of = torch.bincount(base.labels, minlength=10)
        self.starts = self.sizes_of.cumsum(0) - self.sizes_of

    def at_epoch(self, epoch: int) -> "DigitRows":
        """Returns the rows of another epoch; only those of training images are redrawn."""
        return self._like(epoch=epoch if self.split == "train" else 0)

    def digits(self, indices: Sequence[int]) -> Tensor:
        """Returns (b, 5) the digits of each row from left to right, -1 behind its end."""
        chance = self._draws(indices).of("digits").uniform(1 + MOST, dtype=torch.float64)
        lengths = LEAST + (chance[:, :1] * (MOST - LEAST + 1)).long()
        return torch.where(torch.arange(MOST) < lengths, (chance[:, 1:] * 10).long(), -1)

    def texts(self) -> list[str]:
        """Returns the caption of each row: its digits."""
        rows = self.digits(range(len(self))).tolist()
        return ["".join(str(digit) for digit in row if digit >= 0) for row in rows]

    def boxes(self, indices: Sequence[int]) -> Tensor:
        """Returns (b, 5, 4): left, top, right, bottom of each digit, the last two exclusive; 0 behind the end."""
        there = self.digits(indices) >= 0
        chance = self._draws(indices).at(epoch=self.epoch).of("positions").uniform(2, MOST, dtype=torch.float64)
        free = WIDTH - SIDE * there.sum(1, keepdim=True)
        # Sorted, so that digits stand in a row and never overlap; those that are not there come last.
        gaps = torch.where(there, chance[:, 0], 2).sort(1).values
        left = (gaps * (free + 1)).long() + SIDE * torch.arange(MOST)
        top = (chance[:, 1] * (HEIGHT - SIDE + 1)).long()
        return torch.stack((left, top, left + SIDE, top + SIDE), 2) * there.unsqueeze(2)

    def gather(self, indices: Sequence[int]) -> Tensor:
        """Returns images (b, 1, 40, 128) uint8."""
        digits, boxes = self.digits(indices), self.boxes(indices)
        draws = self._draws(indices).at(epoch=self.epoch)
        canvas = torch.zeros(len(digits), HEIGHT, WIDTH, dtype=torch.uint8)
        inner = self.base.images[:, 0, MARGIN : MARGIN + SIDE, MARGIN : MARGIN + SIDE]
        chance = draws.of("writing").uniform(MOST, dtype=torch.float64)
        which = self.order[self.starts[digits] + (chance * self.sizes_of[digits]).long()]
        for number in range(MOST):
            there = digits[:, number] >= 0
            left, top = boxes[:, number, 0], boxes[:, number, 1]
            _put(canvas, inner[which[:, number]] * there[:, None, None], top, left)
        spots = draws.of("clutter").uniform(PIECES, 5, dtype=torch.float64)
        free = torch.tensor((HEIGHT - PIECE + 1, WIDTH - PIECE + 1, len(inner), SIDE - PIECE + 1, SIDE - PIECE + 1))
        for spot in (spots * free).long().unbind(1):
            top, left, other, row, column = spot.unbind(1)
            rows, columns = row[:, None] + torch.arange(PIECE), column[:, None] + torch.arange(PIECE)
            _put(canvas, inner[other[:, None, None], rows[:, :, None], columns[:, None, :]], top, left)
        return canvas.unsqueeze(1)

    def read(self, index: int) -> Tensor:
        """Returns one image (1, 40, 128) uint8."""
        return self.gather([index])[0]

    def names(self, index: int) -> str:
        """Returns the row's name."""
        return f"{self.split} row {int(self.numbers[index])}"

    def take(self, indices: Tensor) -> "DigitRows":
        """Returns these rows unchanged, renumbered from 0."""
        return self._like(numbers=self.numbers[indices])

    def join(self, other: "DigitRows") -> "DigitRows":
        """Returns the rows of both, of one split."""
        return self._like(numbers=torch.cat((self.numbers, other.numbers)))

    def sizes(self) -> Tensor:
        """Returns (n, 2), all equal."""
        return torch.tensor((HEIGHT, WIDTH)).expand(len(self), 2)

    def statistics(self) -> Statistics:
        """Computes the statistics of the first rows of the first epoch."""
        some = self.at_epoch(0).gather(range(min(_MEASURED, len(self))))
        return ArrayImages(some, self.labels[: len(some)], "").statistics()

    def contents(self) -> tuple[str, ...]:
        """Returns the name of each row with its seed: it determines the image."""
        return tuple(f"{self.seed} {self.names(i)}" for i in range(len(self)))

    def _draws(self, indices: Sequence[int]) -> Draws:
        return Draws(key(self.seed, "digit rows", self.split), self.numbers[torch.as_tensor(list(indices))])

    def _like(self, **changed: object) -> "DigitRows":
        own = {"base": self.base, "count": len(self), "seed": self.seed, "split": self.split, "epoch": self.epoch}
        return DigitRows(**{**own, "numbers": self.numbers, **changed})  # type: ignore[arg-type]


def captions(rows: DigitRows) -> Captions:
    """The rows with their texts."""
    texts = rows.texts()
    return Captions(rows, tuple(texts), tuple((text,) for text in texts))


def _put(canvas: Tensor, images: Tensor, top: Tensor, left: Tensor) -> None:
    """Puts images (b, h, w) on the canvas by maximum, at a corner each."""
    rows = (top[:, None] + torch.arange(images.shape[1]))[:, :, None]
    columns = (left[:, None] + torch.arange(images.shape[2]))[:, None, :]
    batch = torch.arange(len(canvas))[:, None, None]
    canvas[batch, rows, columns] = torch.maximum(canvas[batch, rows, columns], images)
