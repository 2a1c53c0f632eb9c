"""Preprocessing of the images of a network, saved with its weights so that predictions use the same."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from regard.core.errors import DataError, OptionError
from regard.core.options import one_of
from regard.data.augmentation import Augment, build_augmentation
from regard.data.depth import SIXTEEN_BITS, ValueRange
from regard.data.files import FileImages
from regard.data.images import DrawnImages
from regard.data.sizing import FITS, Fit, build_resize, crop_warning, parse_size
from regard.data.source import Source

LARGEST = 224
"""The default size of photographs."""

SMALL = 96
"""Images of one size up to this are used at that size."""

_LEAST_STD = 1 / 255
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Preprocessing:
    """Brings an image to one size and its values to zero mean and unit standard deviation.

    Attributes:
        size: (h, w) of the network's input.
        channels: 1 for grey or 3 for RGB; an image of the other kind is converted.
        mean: of each channel, of values from 0 to 1.
        std: of each channel.
        resize: `exact` brings the whole image to `size`; `crop` brings the shorter side to 8/7 of `size` and cuts
            the middle out, as is usual with photographs; `pad` brings the whole image into `size` with its shape
            kept and a border of the mean colour.
        mirror: True lets augmentation mirror an image.
        value_range: of images with more than 8 bits, the values that become 0 and 255 on reading; see
            `read_image`.
    """

    size: tuple[int, int]
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: Literal["exact", "crop", "pad"] = "exact"
    mirror: bool = True
    value_range: ValueRange | None = None

    def __post_init__(self) -> None:
        fits = (
            len(self.size) == 2
            and min(self.size) >= 1
            and self.channels in (1, 3)
            and len(self.mean) == len(self.std) == self.channels
            and min(self.std) > 0
            and self.resize in ("exact", "crop", "pad")
            and (self.value_range is None or self.value_range[0] < self.value_range[1])
        )
        if not fits:
            raise OptionError(
                f"{self} is not possible: size is (h, w) of at least 1, channels 1 or 3, mean and std have one number "
                "a channel, std over 0, resize is 'exact', 'crop' or 'pad', value_range None or (low, high)."
            )

    def eval(self) -> nn.Module:
        """Returns a transform of uint8 (c, h, w), or of images of one size (b, c, h, w), to the network's input."""
        return v2.Compose([build_resize(self.size, self.resize, self.mean), self.normalise()])

    def train(self, augment: Augment = "auto") -> nn.Module:
        """Returns the same for one image in training; draws from PyTorch's generator."""
        return v2.Compose([self.augmentation(augment), self.normalise()])

    def augmentation(self, augment: Augment) -> nn.Module:
        """Returns the random part of `train`, from one uint8 image to uint8 (c, h, w) of `size`."""
        return build_augmentation(augment, self.size, self.resize, mirror=self.mirror, fill=self.mean)

    def normalise(self) -> nn.Module:
        """Returns the rest, for one image or many: conversion of channels, float32, normalisation."""
        return Normalise(self.channels, self.mean, self.std)

    def restore(self, images: Tensor) -> Tensor:
        """Converts the network's input back to images (..., c, h, w) uint8."""
        mean, std = (torch.tensor(v, device=images.device)[:, None, None] for v in (self.mean, self.std))
        return ((images.float() * std + mean).clamp(0, 1) * 255).round().to(torch.uint8)

    def to_json(self) -> dict[str, object]:
        """Converts the record to lists, numbers and strings."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, record: Mapping[str, object]) -> Self:
        """Restores the record from the output of `to_json`.

        Raises:
            DataError: the record describes no preprocessing.
        """
        try:
            values = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
            return cls(**values)  # type: ignore[arg-type]
        except (TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"{record!r} describes no preprocessing ({error}): the file was written by another program or version."
            ) from error


class Normalise(nn.Module):
    """uint8 images (..., c, h, w) as float32 with zero mean and unit standard deviation, in `channels` channels."""

    def __init__(self, channels: int, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.channels = channels
        scale = 1 / (255 * torch.tensor(std, dtype=torch.float64))
        self.scale = scale.float()[:, None, None]
        self.shift = (torch.tensor(mean, dtype=torch.float64) * 255 * scale).float()[:, None, None]

    def forward(self, images: Tensor) -> Tensor:
        """(..., channels, h, w)."""
        if images.shape[-3] != self.channels:
            images = (
                v2.functional.grayscale_to_rgb(images) if self.channels == 3 else v2.functional.to_grayscale(images)
            )
        return images.float() * self.scale.to(images.device) - self.shift.to(images.device)


def preprocessing_for(
    source: Source,
    size: int | str | tuple[int, int] | None = None,
    *,
    fit: Fit = "crop",
    channels: int | None = None,
    mirror: bool | None = None,
) -> Preprocessing:
    """Makes the preprocessing for a source, with the statistics of its training images.

    Args:
        source: images that all have one size up to 96 pixels, and cluttered ones of any size, are kept whole,
            whatever `fit` is; others are brought to a square, of 224 pixels or, if they are smaller, of about their
            own size.
        size: height and width of the network's input, instead of the source's own: a number of pixels for a square, or
            HEIGHTxWIDTH.
        fit: how images of other shapes come to that size: `crop` cuts the middle out, `pad` adds a border, `squeeze`
            changes their shape.
        channels: 3 for a network that wants RGB, 1 for one that wants grey; the source's own by default.
        mirror: True lets augmentation mirror; by default not for digits and traffic signs.

    Example:
        >>> from regard.data import open_source
        >>> preprocessing_for(open_source("fashion-mini")).size
        (28, 28)
    """
    one_of("preprocessing_for", "fit", fit, FITS)
    train = source.splits["train"]
    sizes = train.sizes()
    small = int(sizes.max()) <= SMALL or isinstance(train, DrawnImages)
    whole = small and bool((sizes == sizes[0]).all())
    own = (int(sizes[0, 0]), int(sizes[0, 1])) if whole else _square(sizes, fit)
    statistics = train.statistics()
    mean, std = statistics.mean, tuple(max(s, _LEAST_STD) for s in statistics.std)
    wanted = source.channels if channels is None else channels
    if wanted == 3 and len(mean) == 1:
        mean, std = mean * 3, std * 3
    elif wanted == 1 and len(mean) == 3:
        mean, std = ((sum(w * v for w, v in zip(_LUMA, values, strict=True)),) for values in (mean, std))
    return Preprocessing(
        size=parse_size(size) or own,
        channels=wanted,
        mean=mean,
        std=std,
        resize="pad" if fit == "pad" else "exact" if whole or fit == "squeeze" else "crop",
        mirror=source.mirror if mirror is None else mirror,
        value_range=source.value_range,
    )


def fit_warnings(source: Source, preprocessing: Preprocessing) -> tuple[str, ...]:
    """Returns a warning if the preprocessing crops much of the training images."""
    if preprocessing.resize != "crop":
        return ()
    return crop_warning(source.splits["train"].sizes(), preprocessing.size)


def unlike_warnings(
    sizes: Tensor, deep: Sequence[str], preprocessing: Preprocessing, value_range: ValueRange | None = None
) -> tuple[str, ...]:
    """Returns warnings of images that a trained network gets cropped, or on another range of values.

    Args:
        sizes: (n, 2), height and width of each image.
        deep: names of those with more than 8 bits a value.
        preprocessing: of the network.
        value_range: the values that become black and white if the preprocessing has none; all 16 bits if None.
    """
    found = crop_warning(sizes, preprocessing.size, trained=True) if preprocessing.resize == "crop" else ()
    if not deep or preprocessing.value_range is not None:
        return found
    low, high = value_range or SIXTEEN_BITS
    remedy = "--value-range LOW:HIGH chooses others" if value_range else "convert them to 8 bits to choose others"
    return (
        *found,
        f"The network was trained on images with 8 bits, and {len(deep):,} here have more, such as {deep[0]}: of them "
        f"the values {low:g} to {high:g} become black to white; {remedy}.",
    )


def scoring_warnings(source: Source, preprocessing: Preprocessing) -> tuple[str, ...]:
    """Returns warnings of a source on which a network is scored but was not trained."""
    whole = source.splits["all"]
    checked = whole.checked if isinstance(whole, FileImages) else ()
    deep = [whole.names(number) for number, one in enumerate(checked) if one.deep is not None]
    return unlike_warnings(whole.sizes(), deep, preprocessing, source.value_range)


def _square(sizes: Tensor, fit: Fit) -> tuple[int, int]:
    """The largest usual size that the images fill: the shorter side of the median one, or with a border its longer one,
    in steps of 8."""
    sides = sizes.max(1) if fit == "pad" else sizes.min(1)
    side = min(LARGEST, max(16, int(sides.values.median()) // 8 * 8))
    return side, side
