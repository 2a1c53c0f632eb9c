"""Random changes of training pictures, and the fixed ones of evaluation, all on uint8."""

from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from regard.core.options import one_of

Augment = Literal["auto", "none", "light", "standard", "strong"]
AUGMENTS: tuple[Augment, ...] = ("auto", "none", "light", "standard", "strong")
"""`none` as in evaluation; `light` shifts by up to an eighth; `standard` cuts out between a quarter and all of the
picture, and changes its colours; `strong` makes one of fourteen changes of shape or colour instead and erases a part.
All but `none` mirror, where that is allowed. `auto` is `light` for pictures kept whole, `standard` for crops."""

CROPPED = 7 / 8
"""Of the shorter side of a photograph, what evaluation cuts out of the middle."""

LONGEST = 8
"""A picture longer than so many times its shorter side loses its ends: resized by the shorter side it would be huge."""


def evaluating(size: tuple[int, int], resize: str) -> nn.Module:
    """A transform of (..., c, h, w) to `size`, the same for every picture."""
    if resize == "exact":
        return Exactly(size)
    return v2.Compose([Shortened(), v2.Resize(_before_crop(size), antialias=True), v2.CenterCrop(size)])


def augmenting(
    augment: Augment, size: tuple[int, int], resize: str, *, mirror: bool, fill: tuple[float, ...]
) -> nn.Module:
    """A random transform of one uint8 picture (c, h, w) to `size`.

    Args:
        augment: how much is changed.
        size: (h, w) of the result.
        resize: `exact` or `crop`, see `Preprocessing`.
        mirror: whether the picture may be mirrored.
        fill: of each channel from 0 to 1, what an erased part is filled with.
    """
    one_of("train", "augment", augment, AUGMENTS)
    if augment == "auto":
        augment = "light" if resize == "exact" else "standard"
    if augment == "none":
        return evaluating(size, resize)
    flip: list[nn.Module] = [v2.RandomHorizontalFlip()] if mirror else []
    if augment == "light":
        if resize == "exact":
            return Shifted(size, mirror=mirror)
        larger = v2.Resize(_before_crop(size), antialias=True)
        return v2.Compose([Shortened(), larger, v2.RandomCrop(size), *flip])
    cut = v2.RandomResizedCrop(size, scale=(0.25, 1.0), antialias=True)
    if augment == "standard":
        return v2.Compose([cut, *flip, v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2)])
    mean = [round(255 * value) for value in fill]
    return v2.Compose([cut, *flip, v2.TrivialAugmentWide(), Erased(mean)])


class Exactly(nn.Module):
    """Brings pictures (..., c, h, w) to a size, and leaves those alone that have it."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """(..., c, *size)."""
        if images.shape[-2:] == self.size:
            return images
        return v2.functional.resize(images, list(self.size), antialias=True)


class Shifted(nn.Module):
    """Shifts a picture by up to an eighth of its size, black coming in, and mirrors every second one.

    `draw` and `apply` are apart so that a loader can draw for each picture under its own seed and then change a whole
    batch at once: torchvision's transforms cost a quarter of a millisecond a picture, more than a small network.
    """

    def __init__(self, size: tuple[int, int], *, mirror: bool) -> None:
        super().__init__()
        self.size = size
        self.mirror = mirror
        self.edge = [max(1, round(side / 8)) for side in size]

    def forward(self, image: Tensor) -> Tensor:
        """(c, h, w) of the size, changed."""
        sized = v2.functional.resize(image, list(self.size), antialias=True)
        return self.apply_draws(sized[None], self.draw()[None])[0]

    def draw(self) -> Tensor:
        """(3,) from 0 to 1: down, right, mirrored."""
        return torch.rand(3)

    def apply_draws(self, images: Tensor, draws: Tensor) -> Tensor:
        """(b, c, h, w) of the size, each changed as its row of `draws` (b, 3) says."""
        high, wide = self.edge
        padded = nn.functional.pad(images, (wide, wide, high, high))
        down = (draws[:, 0] * (2 * high + 1)).long()
        right = (draws[:, 1] * (2 * wide + 1)).long()
        rows = down[:, None] + torch.arange(self.size[0])
        columns = torch.arange(self.size[1]).expand(len(images), -1)
        if self.mirror:
            columns = torch.where(draws[:, 2:] < 0.5, columns.flip(1), columns)
        columns = right[:, None] + columns
        picture = torch.arange(len(images))[:, None, None]
        return (
            padded.permute(0, 2, 3, 1)[picture, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()
        )


class Shortened(nn.Module):
    """Cuts the ends off pictures that are very long or very high."""

    def forward(self, images: Tensor) -> Tensor:
        """(..., c, h, w) with neither side over `LONGEST` times the other."""
        height, width = images.shape[-2:]
        most = LONGEST * min(height, width)
        if max(height, width) <= most:
            return images
        return v2.functional.center_crop(images, [min(height, most), min(width, most)])


class Erased(nn.Module):
    """Fills a random rectangle with a colour, in one of four pictures."""

    def __init__(self, colour: list[int]) -> None:
        super().__init__()
        self.colour = colour
        self.erase = {n: v2.RandomErasing(p=0.25, value=(colour * 3)[:n]) for n in (1, 3)}

    def forward(self, image: Tensor) -> Tensor:
        """(c, h, w)."""
        erased: Tensor = self.erase[image.shape[0]](image)
        return erased


def _before_crop(size: tuple[int, int]) -> int:
    """The shorter side of a picture from which `size` is cut."""
    return round(max(size) / CROPPED)
