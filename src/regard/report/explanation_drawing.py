"""What the figures of an explanation have in common: places in units of 1/72 inch, weights of channels, images.

Every figure is laid out from its upper left corner and saved as a PNG of two dots a unit.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from regard.core.records import Map
from regard.report.drawing import ACCENT, FAINT, GREY, INK, LIGHT
from regard.report.overlays import Overlay, Pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS = 144
MARGIN = 20
MOST_BARS = 80


@dataclass(frozen=True, eq=False)
class Weighed:
    """The channels that a map weighs most in one image.

    Attributes:
        channels: (k,) their numbers, the largest weight first.
        weights: (k,) their weights.
        branches: (k,) which branch has that weight; None unless the map is one over branches.
        features: (k, ...) these channels as the mechanism passed them on, weighed; None where they are not known.
    """

    channels: NDArray[np.int64]
    weights: NDArray[np.float32]
    branches: NDArray[np.int64] | None
    features: NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class SeenMap:
    """What there is to draw of one map, of one image.

    Attributes:
        name: the tap's path, with the call's number where a tap is called several times.
        map: the map.
        low: the smallest value that the tap can pass.
        high: the largest; may be infinite.
        active: the channels that are weighed most, if it weighs channels.
        laid: the map over the image, if it weighs positions.
    """

    name: str
    map: Map
    low: float
    high: float
    active: Weighed | None
    laid: Overlay | None


def channel_weights(map: Map) -> NDArray[np.float32]:
    """(k, c) weights of the channels of one image: k branches, 1 where the map is not over branches."""
    if (branches := map.branches()) is not None:
        return branches[0].numpy()
    weights = map.channels()
    assert weights is not None
    return weights[:1].numpy()


def draw_weights(axes: "Axes", sight: SeenMap, weights: NDArray[np.float32], chosen: Sequence[int]) -> None:
    """The weights of all channels, the largest first; of branches one line each."""
    order = np.argsort(-weights[0], kind="stable")
    low, high = limits(sight, weights)
    if len(weights) == 1:
        marked = sum(1 for c in order if c in set(chosen))
        for first, last, colour in ((0, marked, ACCENT), (marked, len(order), LIGHT)):
            places, values = np.arange(first, last), weights[0, order[first:last]]
            if len(order) > MOST_BARS:  # one shape: a thousand bars would take seconds
                axes.stairs(values, np.arange(first, last + 1) - 0.5, baseline=low, fill=True, color=colour)
            else:
                axes.bar(places, values - low, bottom=low, width=0.86, color=colour)
    else:
        for branch, shares in enumerate(weights):
            colour = ACCENT if branch == 0 else GREY
            axes.plot(shares[order], color=colour, linewidth=1.6, label=f"branch {branch}")
        axes.legend(frameon=False, fontsize=9, labelcolor="linecolor", handlelength=0, loc="upper right")
    if low <= sight.map.neutral <= high:
        axes.axhline(sight.map.neutral, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_ylim(low, high + 0.03 * (high - low))
    axes.set_xlim(-0.7, len(order) - 0.3)
    axes.set_xticks([])


def limits(sight: SeenMap, weights: NDArray[np.float32]) -> tuple[float, float]:
    """What the tap can pass; up to the largest weight and the neutral one where that has no end."""
    high = sight.high if np.isfinite(sight.high) else 1.05 * max(float(weights.max()), sight.map.neutral)
    low = sight.low if np.isfinite(sight.low) else min(float(weights.min()), 0.0)
    return min(low, float(weights.min())), max(high, float(weights.max()))


def evenness(sight: SeenMap) -> str:
    """A remark on a map whose colours would make too much of its differences."""
    assert sight.laid is not None
    span = sight.high - sight.low
    return ", nearly even" if np.isfinite(span) and sight.laid.largest - sight.laid.smallest < 0.05 * span else ""


def write(canvas: "Figure", x: float, y: float, text: str, **style: Any) -> None:
    """Text with its baseline's left end at (x, y)."""
    width, height = canvas.get_size_inches() * 72
    canvas.text(x / width, 1 - y / height, text, **{"color": INK} | style)


def place(canvas: "Figure", x: float, y: float, w: float, h: float) -> "Axes":
    """Axes whose upper left corner is at (x, y)."""
    width, height = canvas.get_size_inches() * 72
    return canvas.add_axes((x / width, 1 - (y + h) / height, w / width, h / height))


def show(axes: "Axes", pixels: Pixels) -> None:
    """An image that fills the axes."""
    axes.imshow(pixels, aspect="auto", interpolation="antialiased")
    bare(axes)


def bare(axes: "Axes") -> None:
    """No ticks, and a faint frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(FAINT)


def inside(image: NDArray[Any], side: float) -> tuple[float, float]:
    """Width and height of an image (h, w, ...) when its longer side is `side`."""
    height, width = image.shape[:2]
    return side * width / max(width, height), side * height / max(width, height)


def encoded(canvas: "Figure") -> bytes:
    """The canvas as a PNG."""
    file = io.BytesIO()
    canvas.savefig(file, format="png", dpi=DOTS, facecolor="white")
    return file.getvalue()
