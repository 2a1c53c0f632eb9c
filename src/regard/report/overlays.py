"""Maps of positions drawn over the image, as arrays."""

import io
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from regard.core.errors import ShapeError

Pixels = NDArray[np.uint8]
COLOURS = "viridis"
"""Matplotlib's name of the colour scale: uniform in lightness, and readable with colour blindness."""


@dataclass(frozen=True, eq=False)
class Overlay:
    """A map of positions over its image.

    Attributes:
        pixels: (h, w, 3) uint8, the image in grey with the weights as colour; a whole multiple of its size.
        weights: (h, w) float32, the weights resized to the image, before any scaling.
        low: the weight of the scale's dark end.
        high: the weight of its bright end.
        smallest: the smallest weight of the map itself, before resizing.
        largest: the largest.
    """

    pixels: Pixels
    weights: NDArray[np.float32]
    low: float
    high: float
    smallest: float
    largest: float

    @property
    def caption(self) -> str:
        """The map's smallest and largest weight, as `0.31 to 0.62`."""
        return spread(self.smallest, self.largest)

    def png(self) -> bytes:
        """The pixels as a PNG file."""
        return png(self.pixels)


def overlay(
    image: Tensor,
    weights: Tensor,
    *,
    low: float | None = None,
    high: float | None = None,
    opacity: float = 0.6,
    side: int = 224,
) -> Overlay:
    """Draws a map of positions over its image.

    The map is resized bilinearly; a small image is enlarged by repeating pixels, without interpolation.

    Args:
        image: (c, h, w) with 1 or 3 channels; uint8, or floating point from 0 to 1.
        weights: (h', w') of any size, for example `Map.positions()[0]`.
        low: the weight of the scale's dark end; the map's smallest if None.
        high: the weight of its bright end; the map's largest if None.
        opacity: the share of colour, from 0 to 1.
        side: the least length of the longer side, in pixels.

    Raises:
        ShapeError: an image or map of another shape.

    Example:
        >>> laid = overlay(torch.zeros(1, 28, 28), torch.tensor([[0.2, 0.8]]))
        >>> laid.pixels.shape, laid.weights.shape, laid.caption
        ((224, 224, 3), (28, 28), '0.20 to 0.80')
    """
    if weights.ndim != 2 or not weights.numel():
        raise ShapeError(f"overlay: weights have shape {tuple(weights.shape)}; they must be (h, w) of one image.")
    pixels = enlarge(image, side)
    weights = weights.detach().float().cpu()
    smallest, largest = float(weights.min()), float(weights.max())
    low, high = smallest if low is None else low, largest if high is None else high
    grey = pixels @ np.array([0.299, 0.587, 0.114]) / 255
    grey = opacity / 2 + (1 - opacity * 2 / 3) * grey  # a narrower range, or black would make every colour dark
    colour = colours(_resize(weights, pixels.shape[:2]), low, high) / 255
    mixed = (1 - opacity) * grey[..., None] + opacity * colour
    return Overlay(
        pixels=(255 * mixed).round().astype(np.uint8),
        weights=_resize(weights, image.shape[-2:]),
        low=low,
        high=high,
        smallest=smallest,
        largest=largest,
    )


def colours(weights: NDArray[np.float32], low: float, high: float) -> Pixels:
    """(h, w) weights as colours (h, w, 3), dark at `low` and bright at `high`; the middle where these are equal."""
    from matplotlib import colormaps

    scaled = (weights - low) / (high - low) if high > low else np.full_like(weights, 0.5)
    return np.asarray(colormaps[COLOURS](np.clip(scaled, 0, 1), bytes=True))[..., :3]


def enlarge(image: Tensor, side: int = 224) -> Pixels:
    """Converts an image to (h, w, 3) uint8, repeating pixels until the longer side has at least `side`.

    >>> enlarge(torch.rand(1, 28, 20)).shape
    (224, 160, 3)
    """
    if image.ndim != 3 or image.shape[0] not in (1, 3) or not image.numel():
        raise ShapeError(
            f"The image has shape {tuple(image.shape)}; it must be (c, h, w) with 1 or 3 channels: for a batch "
            "take one image of it."
        )
    image = image.detach().cpu()
    if image.is_floating_point():
        image = (image.clamp(0, 1) * 255).round()
    times = max(1, math.ceil(side / max(image.shape[1:])))
    pixels = image.to(torch.uint8).expand(3, -1, -1).permute(1, 2, 0).numpy()
    return pixels.repeat(times, 0).repeat(times, 1)


def png(pixels: Pixels) -> bytes:
    """Encodes (h, w, 3) uint8 as a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png", optimize=True)
    return file.getvalue()


def spread(low: float, high: float) -> str:
    """Two numbers with as many digits as distinguish them.

    >>> spread(0.5, 0.5), spread(0.31, 1.2), spread(0.50012, 0.50038)
    ('0.50', '0.31 to 1.20', '0.50012 to 0.50038')
    """
    if low == high:
        return f"{low:.2f}"
    digits = min(8, max(2, 1 - math.floor(math.log10(high - low))))
    return f"{low:.{digits}f} to {high:.{digits}f}"


def _resize(weights: Tensor, size: tuple[int, ...]) -> NDArray[np.float32]:
    resized = functional.interpolate(weights[None, None], size=tuple(size), mode="bilinear", align_corners=False)
    return resized[0, 0].numpy()
