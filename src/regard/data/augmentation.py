"""Random augmentation of training images, and the fixed transforms of evaluation, all on uint8."""

from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from regard.core.options import one_of
from regard.data.sizing import Resize, build_resize, enlarge_for_crop

Augment = Literal["auto", "none", "light", "standard", "strong"]
AUGMENTS: tuple[Augment, ...] = ("auto", "none", "light", "standard", "strong")
"""`none` as in evaluation; `light` shifts by up to an eighth; `standard` cuts out between a quarter and all of the
image, and changes its colours; `strong` makes one of fourteen changes of shape or colour instead and erases a part.
All but `none` mirror, where that is allowed. `auto` is `light` for images kept whole, `standard` for crops."""


def build_augmentation(
    augment: Augment, size: tuple[int, int], resize: str, *, mirror: bool, fill: tuple[float, ...]
) -> nn.Module:
    """A random transform of one uint8 image (c, h, w) to `size`.

    Args:
        augment: the strength of the changes.
        size: (h, w) of the result.
        resize: `exact`, `pad` or `crop`, see `Preprocessing`.
        mirror: True allows mirroring.
        fill: the colour of an erased part and of the border of `pad`, for each channel from 0 to 1.
    """
    one_of("train", "augment", augment, AUGMENTS)
    if augment == "auto":
        augment = "standard" if resize == "crop" else "light"
    if augment == "none":
        return build_resize(size, resize, fill)
    flip: list[nn.Module] = [v2.RandomHorizontalFlip()] if mirror else []
    if augment == "light":
        if resize != "crop":
            return Shift(size, mirror=mirror, before=build_resize(size, resize, fill))
        return v2.Compose([*enlarge_for_crop(size), v2.RandomCrop(size), *flip])
    shape = size[1] / size[0]
    framed = [build_resize(size, resize, fill)] if resize == "pad" else []
    cut = v2.RandomResizedCrop(size, scale=(0.25, 1.0), ratio=(3 / 4 * shape, 4 / 3 * shape), antialias=True)
    if augment == "standard":
        return v2.Compose([*framed, cut, *flip, v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2)])
    mean = [round(255 * value) for value in fill]
    return v2.Compose([*framed, cut, *flip, v2.TrivialAugmentWide(), Erase(mean)])


class Shift(nn.Module):
    """Shifts an image by up to an eighth of its size, padded with black, and mirrors it with probability 1/2.

    `draw` and `apply` are apart so that a loader can draw for each image under its own seed and then change a whole
    batch at once: torchvision's transforms cost a quarter of a millisecond an image, more than a small network.
    """

    def __init__(self, size: tuple[int, int], *, mirror: bool, before: nn.Module | None = None) -> None:
        super().__init__()
        self.size = size
        self.before = Resize(size) if before is None else before
        self.mirror = mirror
        self.edge = [max(1, round(side / 8)) for side in size]

    def forward(self, image: Tensor) -> Tensor:
        """Augments one image; returns (c, h, w) of the size."""
        return self.apply_draws(self.before(image)[None], self.draw()[None])[0]

    def draw(self) -> Tensor:
        """Draws (3,) numbers from 0 to 1: down, right, mirrored."""
        return torch.rand(3)

    def apply_draws(self, images: Tensor, draws: Tensor) -> Tensor:
        """Augments images (b, c, h, w) of the size, each by its row of `draws` (b, 3)."""
        high, wide = self.edge
        padded = nn.functional.pad(images, (wide, wide, high, high))
        down = (draws[:, 0] * (2 * high + 1)).long()
        right = (draws[:, 1] * (2 * wide + 1)).long()
        rows = down[:, None] + torch.arange(self.size[0])
        columns = torch.arange(self.size[1]).expand(len(images), -1)
        if self.mirror:
            columns = torch.where(draws[:, 2:] < 0.5, columns.flip(1), columns)
        columns = right[:, None] + columns
        row = torch.arange(len(images))[:, None, None]
        return padded.permute(0, 2, 3, 1)[row, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


class Erase(nn.Module):
    """Fills a random rectangle with a colour, with probability 1/4."""

    def __init__(self, colour: list[int]) -> None:
        super().__init__()
        self.colour = colour
        self.erase = {n: v2.RandomErasing(p=0.25, value=(colour * 3)[:n]) for n in (1, 3)}

    def forward(self, image: Tensor) -> Tensor:
        """Erases a part of an image (c, h, w)."""
        erased: Tensor = self.erase[image.shape[0]](image)
        return erased
