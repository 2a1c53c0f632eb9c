"""Pictures that lie in files and are decoded when they are needed."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from regard.data.checking import Checked
from regard.data.pictures import Pictures, Statistics
from regard.data.reading import PIXEL_LIMIT, read_picture


class FilePictures(Pictures):
    """Picture files below one folder, all of which could be decoded when they were checked.

    A file that has become unreadable since then is a `BadPictureError` that names it: data that change under a run
    are not passed over.

    Args:
        root: the folder.
        files: paths below it.
        labels: (n,) int64 or (n, k) float32.
        checked: what was seen of each file.
        channels: 3 for RGB, 1 for grey.
        max_pixels: see `read_picture`.
    """

    def __init__(
        self,
        root: Path,
        files: Sequence[str],
        labels: Tensor,
        checked: Sequence[Checked],
        *,
        channels: int = 3,
        max_pixels: int = PIXEL_LIMIT,
    ) -> None:
        self.root = root
        self.files = tuple(files)
        self.labels = labels
        self.checked = tuple(checked)
        self.channels = channels
        self.max_pixels = max_pixels

    def read(self, index: int) -> Tensor:
        """(c, h, w) uint8, decoded now."""
        return read_picture(self.root / self.files[index], self.channels, max_pixels=self.max_pixels)

    def gather(self, indices: Sequence[int]) -> list[Tensor]:
        """One tensor a picture, decoded now."""
        return [self.read(i) for i in indices]

    def names(self, index: int) -> str:
        """The path below the folder."""
        return self.files[index]

    def take(self, indices: Tensor) -> "FilePictures":
        """These pictures."""
        chosen = indices.tolist()
        return FilePictures(
            self.root,
            [self.files[i] for i in chosen],
            self.labels[indices],
            [self.checked[i] for i in chosen],
            channels=self.channels,
            max_pixels=self.max_pixels,
        )

    def sizes(self) -> Tensor:
        """(n, 2)."""
        return torch.tensor([(c.height, c.width) for c in self.checked])

    def statistics(self) -> Statistics:
        """Of all pictures, each reduced to about 128 pixels on its shorter side."""
        mean, square = (
            torch.tensor([getattr(c, what)[: self.channels] for c in self.checked], dtype=torch.float64).mean(0)
            for what in ("mean", "square")
        )
        return Statistics.of_moments(mean, square)

    def contents(self) -> tuple[str, ...]:
        """A hash of each file."""
        return tuple(c.digest for c in self.checked)
