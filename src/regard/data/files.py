"""Images in files, decoded on demand."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from regard.data.account import printable
from regard.data.checking import CheckResult
from regard.data.depth import SIXTEEN_BITS, ValueRange, scaled_moments
from regard.data.images import Images, Statistics
from regard.data.reading import PIXEL_LIMIT, read_image


class FileImages(Images):
    """Image files below one folder, all of which could be decoded when they were checked.

    A file that has become unreadable since then is a `BadImageError` that names it: data that change under a run
    are not ignored.

    Args:
        root: the folder.
        files: paths below it.
        labels: (n,) int64 or (n, k) float32.
        checked: the check of each file.
        channels: 3 for RGB, 1 for grey.
        max_pixels: see `read_image`.
        groups: the group of each file; no cut separates a group.
        value_range: see `read_image`.
    """

    def __init__(
        self,
        root: Path,
        files: Sequence[str],
        labels: Tensor,
        checked: Sequence[CheckResult],
        *,
        channels: int = 3,
        max_pixels: int = PIXEL_LIMIT,
        groups: Sequence[str] | None = None,
        value_range: ValueRange | None = None,
    ) -> None:
        self.root = root
        self.files = tuple(files)
        self.labels = labels
        self.checked = tuple(checked)
        self.channels = channels
        self.max_pixels = max_pixels
        self.groups = None if groups is None else tuple(groups)
        self.value_range = value_range

    def read(self, index: int) -> Tensor:
        """Decodes one image (c, h, w) uint8."""
        return read_image(
            self.root / self.files[index], self.channels, max_pixels=self.max_pixels, value_range=self.value_range
        )

    def gather(self, indices: Sequence[int]) -> list[Tensor]:
        """Decodes several images, one tensor each."""
        return [self.read(i) for i in indices]

    def names(self, index: int) -> str:
        """Returns the path below the folder."""
        return printable(self.files[index])

    def take(self, indices: Tensor) -> "FileImages":
        """Returns these images."""
        chosen = indices.tolist()
        return FileImages(
            self.root,
            [self.files[i] for i in chosen],
            self.labels[indices],
            [self.checked[i] for i in chosen],
            channels=self.channels,
            max_pixels=self.max_pixels,
            groups=None if self.groups is None else [self.groups[i] for i in chosen],
            value_range=self.value_range,
        )

    def join(self, other: "FileImages") -> "FileImages":
        """Joins the images of both, which are below one folder."""
        together = (self.groups, other.groups)
        return FileImages(
            self.root,
            (*self.files, *other.files),
            torch.cat((self.labels, other.labels)),
            (*self.checked, *other.checked),
            channels=self.channels,
            max_pixels=self.max_pixels,
            groups=None if None in together else [g for groups in together for g in groups or ()],
            value_range=self.value_range,
        )

    def with_value_range(self, value_range: ValueRange | None) -> "FileImages":
        """Returns the same images, with values of more than 8 bits scaled from this range."""
        changed = self.take(torch.arange(len(self)))
        changed.value_range = value_range
        return changed

    def sizes(self) -> Tensor:
        """Returns (n, 2) heights and widths."""
        return torch.tensor([(c.height, c.width) for c in self.checked])

    def statistics(self) -> Statistics:
        """Computes the statistics of all images, each reduced to about 128 pixels on its shorter side."""
        mean, square = (
            torch.tensor(
                [m[which][: self.channels] for m in map(self._moments, self.checked)], dtype=torch.float64
            ).mean(0)
            for which in (0, 1)
        )
        return Statistics.of_moments(mean, square)

    def _moments(self, checked: CheckResult) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Returns mean and mean of squares of each channel, of values from 0 to 1."""
        if checked.deep is None or self.value_range in (None, SIXTEEN_BITS):
            return checked.mean, checked.square
        mean, square = scaled_moments(checked.deep, self.value_range)
        return (mean,) * 3, (square,) * 3

    def contents(self) -> tuple[str, ...]:
        """Returns a hash of each file."""
        return tuple(c.digest for c in self.checked)
