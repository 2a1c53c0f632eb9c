"""Reads one image file into a tensor; no other module decodes images."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from regard.core.errors import DataError
from regard.core.options import at_least, one_of
from regard.data.account import printable
from regard.data.depth import SIXTEEN_BITS, ValueRange, scale
from regard.data.formats import describe_foreign_content, extensions, read_start

PIXEL_LIMIT = 100_000_000
"""An image with more pixels is refused, unless `max_pixels` is larger."""

PILLOW_LIMIT = 178_956_970
"""Pillow itself opens no image with more pixels."""

_BITS, _SAMPLE_FORMAT = 258, 339
"""Tags of TIFF: bits a value, and 1 where values are unsigned."""

_GREY = ("1", "L", "LA", "La")


@dataclass(frozen=True)
class BadImage:
    """An image that cannot be used: the file (or the image's name in its set) and the reason."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class BadImageError(DataError):
    """An image that cannot be used; `image` has its name and the reason.

    A loader's worker process passes an error on as the text of its traceback, of which only our sentence is kept.
    """

    def __init__(self, text: str, image: BadImage | None = None) -> None:
        super().__init__(text.rpartition("BadImageError: ")[2].strip())
        self.image = image

    @classmethod
    def of(cls, path: str, reason: str) -> "BadImageError":
        """Makes the error for the image at `path`."""
        return cls(f"The image {path} cannot be used: {reason}. Repair, replace or remove it.", BadImage(path, reason))


class _Unusable(Exception):  # noqa: N818 (carries a reason from deep inside to `open_image`, never further)
    """The reason why an image that Pillow opened cannot be used."""


def read_image(
    path: str | Path,
    channels: int = 3,
    *,
    max_pixels: int = PIXEL_LIMIT,
    value_range: tuple[float, float] | None = None,
) -> Tensor:
    """Reads the image in a file, upright, opaque, with 8 bits a channel.

    CMYK, palette and other modes become RGB (or grey); 16-bit values are scaled to 8 bits, not clipped;
    signed, 32-bit and floating-point values need a `value_range`; transparent pixels are blended with
    white; of an animation the first frame is read; the orientation in the file's EXIF block is applied.

    Args:
        path: a file in any format that Pillow reads.
        channels: 3 for RGB, 1 for grey.
        max_pixels: an image with more pixels is refused before it is decoded.
        value_range: of values with more than 8 bits, those that become 0 and 255; others are clipped to them. By
            default 0 and 65535. Images with 8 bits are not affected.

    Returns:
        (channels, h, w) uint8.

    Raises:
        BadImageError: the file is missing, empty, truncated, over the limit, or no image.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("CMYK", (4, 2)).save(f"{folder}/white.jpg")
        ...     read_image(f"{folder}/white.jpg").shape
        torch.Size([3, 2, 4])
    """
    one_of("read_image", "channels", channels, (1, 3))
    with allow_large_images(), open_image(path, pixel_limit(max_pixels)) as image:
        return to_tensor(image, channels, value_range)


def pixel_limit(max_pixels: int) -> int:
    """Returns `max_pixels`, at most the limit of Pillow."""
    at_least("read_image", "max_pixels", max_pixels, 1)
    return min(max_pixels, PILLOW_LIMIT)


@contextmanager
def allow_large_images() -> Iterator[None]:
    """Suppresses Pillow's warning of large images below `PILLOW_LIMIT`, since regard has a limit of its own.

    Warning filters belong to the whole process, so threads that read images enter it once, together.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


@contextmanager
def open_image(path: str | Path, max_pixels: int = PIXEL_LIMIT) -> Iterator[Image.Image]:
    """Opens an image file with Pillow; any exception inside the block becomes a `BadImageError`.

    On invalid bytes decoders raise almost anything (OSError, SyntaxError, ValueError, struct.error, ...), so every
    exception inside is attributed to the image.
    """
    try:
        if Path(path).stat().st_size == 0:
            raise _Unusable("the file is empty (0 bytes)")
        extensions()  # registers the formats of other packages
        with Image.open(path) as image:
            if image.width * image.height > max_pixels:
                raise _Unusable(
                    f"it has {image.width} x {image.height} = {image.width * image.height:,} pixels, over the limit "
                    f"of {max_pixels:,} (max_pixels)"
                )
            yield image
    except Exception as error:
        reason = describe_foreign_content(read_start(Path(path))) if isinstance(error, UnidentifiedImageError) else None
        raise BadImageError.of(printable(path), reason or _reason(error)) from error


def to_tensor(image: Image.Image, channels: int, value_range: ValueRange | None = None) -> Tensor:
    """Converts an image to (channels, h, w) uint8, RGB or grey; see `flatten`."""
    values = np.array(_convert(flatten(image, value_range), "RGB" if channels == 3 else "L"))
    pixels = torch.from_numpy(values)
    return pixels.permute(2, 0, 1).contiguous() if channels == 3 else pixels[None]


def flatten(image: Image.Image, value_range: ValueRange | None = None) -> Image.Image:
    """Makes an image upright and opaque, in mode L if it is grey, else in mode RGB."""
    image.load()
    image = _make_upright(image)
    if is_deep(image):
        return _from_deep(image, value_range)
    mode = "L" if image.mode in _GREY else "RGB"
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return _convert(image, mode)


def is_deep(image: Image.Image) -> bool:
    """Returns True if the values have more than 8 bits."""
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def values_of(image: Image.Image) -> NDArray[np.generic]:
    """Returns the values (h, w) of an image with more than 8 bits, as in the file."""
    tags = getattr(image, "tag_v2", {})
    unsigned = image.mode == "I" and tags.get(_BITS) == (32,) and tags.get(_SAMPLE_FORMAT, (1,)) == (1,)
    image.load()
    values: NDArray[np.generic] = np.asarray(image)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise _Unusable("its values are floating point and not all finite: save it with finite ones, or with 16 bits")
    return values.view(np.uint32) if unsigned else values  # Pillow reads them as signed


def _convert(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Returns (h, w) of the image after the rotation in its EXIF block."""
    try:
        sideways = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    except Exception:  # as in `_make_upright`
        sideways = False
    return image.size if sideways else (image.height, image.width)


def _make_upright(image: Image.Image) -> Image.Image:
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # the pixels may be fine with a broken EXIF block
        return image
    return image


def _from_deep(image: Image.Image, value_range: ValueRange | None) -> Image.Image:
    values = values_of(image)
    if value_range is None:
        remedy = "give the range (--value-range LOW:HIGH), or save it with 8 or 16 bits"
        if image.mode == "F":
            raise _Unusable(f"its values are floating point, whose range is unknown: {remedy}")
        if values.min() < 0 or values.max() > 65535:  # type: ignore[operator, unused-ignore]
            raise _Unusable(f"its values need more than 16 bits, whose range is unknown: {remedy}")
    return Image.fromarray(scale(values, value_range or SIXTEEN_BITS), mode="L")


def _reason(error: Exception) -> str:
    """The reason as a sentence without its full stop."""
    match error:
        case _Unusable():
            return str(error)
        case FileNotFoundError():
            return "there is no such file"
        case IsADirectoryError():
            return "it is a folder, not a file"
        case PermissionError():
            return "the file may not be read (permission denied)"
        case UnidentifiedImageError():
            return "it is no image in a format that Pillow reads"
        case Image.DecompressionBombError() | Image.DecompressionBombWarning():
            return f"it is over Pillow's own limit of {PILLOW_LIMIT:,} pixels"
        case MemoryError():
            return "it does not fit into memory"
        case OSError() if "trunc" in str(error).lower():
            return f"the file is truncated ({error})"
    return f"it cannot be decoded ({type(error).__name__}: {error})".replace("\n", " ")
