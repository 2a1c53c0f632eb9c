"""Brings images of any shape to one size: squeezed, padded, or cropped in the middle; and warns of large crops."""

from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from regard.core.errors import OptionError
from regard.core.options import at_least

Fit = Literal["crop", "pad", "squeeze"]
FITS: tuple[Fit, ...] = ("crop", "pad", "squeeze")
"""`crop` cuts the middle out; `pad` keeps the whole image and its shape, with a border; `squeeze` keeps the whole image
and resizes it without keeping its shape."""

CROPPED = 7 / 8
"""The share of a photograph's shorter side that evaluation crops from the middle."""

LONGEST = 8
"""The largest ratio of sides; longer images are cropped, since resized by the shorter side they would be huge."""

MUCH = 1 / 3
"""A warning is given if a crop removes more than this share of images because of their shape."""


def parse_size(size: int | str | tuple[int, int] | None) -> tuple[int, int] | None:
    """Parses height and width; one number is a square.

    >>> parse_size(64), parse_size("48x200")
    ((64, 64), (48, 200))

    Raises:
        OptionError: it is neither a number nor HEIGHTxWIDTH.
    """
    if size is None:
        return None
    if isinstance(size, str):
        parts = size.lower().split("x")
        if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
            raise OptionError(
                f"size={size!r} is not allowed; it must be one number of pixels, or HEIGHTxWIDTH, for example 48x200."
            )
        size = (int(parts[0]), int(parts[-1]))
    height, width = size if isinstance(size, tuple) else (size, size)
    return at_least("preprocessing_for", "size", height, 1), at_least("preprocessing_for", "size", width, 1)


def build_resize(size: tuple[int, int], resize: str, fill: tuple[float, ...] = (0.0,)) -> nn.Module:
    """Builds a transform of (..., c, h, w) to `size`, the same for every image.

    Args:
        size: (h, w) of the result.
        resize: `exact`, `pad` or `crop`, see `Preprocessing`.
        fill: the colour of the border of `pad`, for each channel from 0 to 1.
    """
    if resize == "exact":
        return Resize(size)
    if resize == "pad":
        return Pad(size, [round(255 * value) for value in fill])
    return v2.Compose([*enlarge_for_crop(size), v2.CenterCrop(size)])


def enlarge_for_crop(size: tuple[int, int]) -> list[nn.Module]:
    """Builds transforms to an image a little larger than `size`, to be cropped."""
    if size[0] == size[1]:
        return [Shorten(), v2.Resize(round(size[0] / CROPPED), antialias=True)]
    return [CropToShape(size), Resize((round(size[0] / CROPPED), round(size[1] / CROPPED)))]


class Resize(nn.Module):
    """Resizes images (..., c, h, w) to a size, and keeps those that have it."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """Returns (..., c, *size)."""
        if images.shape[-2:] == self.size:
            return images
        return v2.functional.resize(images, list(self.size), antialias=True)


class Pad(nn.Module):
    """Resizes images without changing their shape, and pads them with a border of one colour."""

    def __init__(self, size: tuple[int, int], colour: list[int]) -> None:
        super().__init__()
        self.size = size
        self.colour = colour

    def forward(self, images: Tensor) -> Tensor:
        """Returns (..., c, *size)."""
        height, width = images.shape[-2:]
        scale = min(self.size[0] / height, self.size[1] / width)
        inner = [min(side, max(1, round(scale * own))) for side, own in zip(self.size, (height, width), strict=True)]
        images = Resize((inner[0], inner[1]))(images)
        channels = images.shape[-3]
        colour = torch.tensor((self.colour * 3)[:channels], dtype=images.dtype, device=images.device)
        framed = colour[:, None, None].expand(*images.shape[:-2], *self.size).clone()
        top, left = ((side - own) // 2 for side, own in zip(self.size, inner, strict=True))
        framed[..., top : top + inner[0], left : left + inner[1]] = images
        return framed


class Shorten(nn.Module):
    """Crops the ends of images that are very long or very high."""

    def forward(self, images: Tensor) -> Tensor:
        """Returns (..., c, h, w) with neither side over `LONGEST` times the other."""
        height, width = images.shape[-2:]
        most = LONGEST * min(height, width)
        if max(height, width) <= most:
            return images
        return v2.functional.center_crop(images, [min(height, most), min(width, most)])


class CropToShape(nn.Module):
    """Crops images to the aspect ratio of a size."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """Returns (..., c, h, w) of the aspect ratio of `size`."""
        height, width = images.shape[-2:]
        scale = min(height / self.size[0], width / self.size[1])
        inner = [max(1, min(own, round(scale * side))) for own, side in zip((height, width), self.size, strict=True)]
        return images if inner == [height, width] else v2.functional.center_crop(images, inner)


def crop_loss(sizes: Tensor, size: tuple[int, int]) -> Tensor:
    """Returns (n,), the share of each image that a crop to the shape of `size` removes, without its usual margin."""
    height, width = sizes.double().unbind(1)
    scale = torch.minimum(height / size[0], width / size[1])
    return 1 - scale**2 * size[0] * size[1] / (height * width)


def crop_warning(sizes: Tensor, size: tuple[int, int], *, trained: bool = False) -> tuple[str, ...]:
    """Returns a warning if a crop removes more than a third of images because of their shape.

    Args:
        sizes: (n, 2), height and width of each image.
        size: the size after the crop.
        trained: True for images of a trained network, whose preprocessing is fixed.
    """
    shares = crop_loss(sizes, size)
    many = int((shares > MUCH + 1e-6).sum())
    if not many:
        return ()
    typical = sizes[shares.argsort()[-(many + 1) // 2]].tolist()
    whole = 1 - (1 - float(shares.sort().values[-(many + 1) // 2])) * CROPPED**2
    remedy = "Keep them whole with --fit pad or --fit squeeze, or choose a shape with --size HEIGHTxWIDTH."
    if trained:
        remedy = "The network was trained with crops; one trained with --fit pad or --fit squeeze gets whole images."
    return (
        f"A crop to {size[0]} x {size[1]} cuts more than a third off {many:,} of {len(sizes):,} "
        f"{'images' if trained else 'training images'} for their shape alone: of one of {typical[0]} x {typical[1]} it "
        f"leaves {100 * (1 - whole):.0f} %. {remedy}",
    )
