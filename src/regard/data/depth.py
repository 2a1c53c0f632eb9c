"""Images with more than 8 bits a value: the range that is scaled to 0 to 255, chosen once for a whole source.

A sensor of 12 bits fills a part of the 65,536 values of its file, and a narrow one at that: scaled by all of them,
two or three grey levels remain. So the range is that of the training images, and it is kept with the preprocessing.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from regard.core.errors import OptionError

ValueRange = tuple[float, float]
"""The values that become 0 and 255; those outside are clipped."""

SIXTEEN_BITS: ValueRange = (0, 65535)
"""The whole range of 16 bits."""

FEW_LEVELS = 16
"""A warning is given if a typical image has fewer grey levels."""


class Deep(NamedTuple):
    """The values of an image with more than 8 bits a value.

    Attributes:
        low: the smallest.
        high: the largest.
        mean: of all values.
        square: mean of the squared differences from `low`, which loses no digits.
        sixteen: True if the values are unsigned with 16 bits, which have a usual range.
    """

    low: float
    high: float
    mean: float
    square: float
    sixteen: bool


def parse_range(text: str | Sequence[float] | None) -> ValueRange | None:
    """Parses `LOW:HIGH` as two numbers.

    >>> parse_range("-1024:3071")
    (-1024.0, 3071.0)

    Raises:
        OptionError: it is no range.
    """
    if text is None:
        return None
    try:
        low, high = (float(part) for part in (text.split(":") if isinstance(text, str) else text))
    except (TypeError, ValueError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise OptionError(
            f"value_range={text!r} is not allowed; it must be LOW:HIGH, two numbers of which the second is larger, for "
            "example 0:4095 (--value-range)."
        )
    return low, high


def measure(values: NDArray[np.generic], *, sixteen: bool) -> Deep:
    """Measures an image's values."""
    exact = values.astype(np.float64)
    low = float(exact.min())
    return Deep(low, float(exact.max()), float(exact.mean()), float(((exact - low) ** 2).mean()), sixteen)


def choose_range(training: Sequence[Deep]) -> ValueRange:
    """The range of the training images; all 16 bits if their values span at least half of those."""
    low, high = min(deep.low for deep in training), max(deep.high for deep in training)
    if all(deep.sixteen for deep in training) and high - low >= 32768:
        return SIXTEEN_BITS
    return low, high if high > low else low + 1


def count_levels(training: Sequence[Deep], value_range: ValueRange) -> int:
    """The largest number of the 256 grey levels that the median image can have."""
    low, high = value_range
    spans = sorted(min(deep.high, high) - max(deep.low, low) for deep in training)
    return 1 + int(255 * max(0.0, spans[len(spans) // 2]) / (high - low))


def scaled_moments(deep: Deep, value_range: ValueRange) -> tuple[float, float]:
    """Mean and mean of squares once the range is scaled to 0 to 1."""
    low, high = value_range
    width, shift = high - low, deep.low - low
    mean = (deep.mean - low) / width
    square = (deep.square + 2 * shift * (deep.mean - deep.low) + shift**2) / width**2
    return mean, square


def scale(values: NDArray[np.generic], value_range: ValueRange) -> NDArray[np.uint8]:
    """Scales values to uint8, rounded; those outside the range are clipped."""
    if value_range == SIXTEEN_BITS and values.dtype.kind in "iu":
        return ((np.clip(values.astype(np.int64), 0, 65535) + 128) // 257).astype(np.uint8)
    low, high = value_range
    shares = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1)
    scaled: NDArray[np.uint8] = np.floor(255 * shares + 0.5).astype(np.uint8)
    return scaled
