"""Shared elements of an explanation's figures: coordinates in units of 1/72 inch, channel weights, images.

Coordinates start at the upper left corner; a figure is saved as a PNG of two pixels a unit.
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
class TopChannels:
    """The channels with the largest weights in one image.

    Attributes:
        channels: (k,) their numbers, the largest weight first.
        weights: (k,) their weights.
        branches: (k,) the branch of each weight; None unless the map is over branches.
        features: (k, ...) the rescaled features of these channels; None if unknown.
    """

    channels: NDArray[np.int64]
    weights: NDArray[np.float32]
    branches: NDArray[np.int64] | None
    features: NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class MapView:
    """The map of one tap on one image, with what its figures need.

    Attributes:
        name: the tap's path, with the call's number if a tap is called several times.
        map: the map.
        low: the smallest value that the tap can pass.
        high: the largest; may be infinite.
        active: the channels with the largest weights, if it has weights of channels.
        laid: the map over the image, if it has weights of positions.
    """

    name: str
    map: Map
    low: float
    high: float
    active: TopChannels | None
    laid: Overlay | None


def channel_weights(attention_map: Map) -> NDArray[np.float32]:
    """(k, c) weights of the channels of one image, of k branches or k = 1."""
    if (branches := attention_map.branches()) is not None:
        return branches[0].numpy()
    weights = attention_map.channels()
    assert weights is not None
    return weights[:1].numpy()


def draw_weights(axes: "Axes", view: MapView, weights: NDArray[np.float32], chosen: Sequence[int]) -> None:
    """Draws the weights of all channels, the largest first; with branches one line each."""
    order = np.argsort(-weights[0], kind="stable")
    low, high = weight_limits(view, weights)
    if len(weights) == 1:
        marked = sum(1 for c in order if c in set(chosen))
        for first, last, colour in ((0, marked, ACCENT), (marked, len(order), LIGHT)):
            ranks, values = np.arange(first, last), weights[0, order[first:last]]
            if len(order) > MOST_BARS:  # one shape: a thousand bars would take seconds
                axes.stairs(values, np.arange(first, last + 1) - 0.5, baseline=low, fill=True, color=colour)
            else:
                axes.bar(ranks, values - low, bottom=low, width=0.86, color=colour)
    else:
        for branch, shares in enumerate(weights):
            colour = ACCENT if branch == 0 else GREY
            axes.plot(shares[order], color=colour, linewidth=1.6, label=f"branch {branch}")
        axes.legend(frameon=False, fontsize=9, labelcolor="linecolor", handlelength=0, loc="upper right")
    if low <= view.map.neutral <= high:
        axes.axhline(view.map.neutral, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_ylim(low, high + 0.03 * (high - low))
    axes.set_xlim(-0.7, len(order) - 0.3)
    axes.set_xticks([])


def weight_limits(view: MapView, weights: NDArray[np.float32]) -> tuple[float, float]:
    """The range of the tap; an infinite end is replaced by one beyond the largest and the neutral weight."""
    high = view.high if np.isfinite(view.high) else 1.05 * max(float(weights.max()), view.map.neutral)
    low = view.low if np.isfinite(view.low) else min(float(weights.min()), 0.0)
    return min(low, float(weights.min())), max(high, float(weights.max()))


def evenness_remark(view: MapView) -> str:
    """A remark for a map whose colours exaggerate its differences; else empty."""
    assert view.laid is not None
    span = view.high - view.low
    return ", nearly even" if np.isfinite(span) and view.laid.largest - view.laid.smallest < 0.05 * span else ""


def write(canvas: "Figure", x: float, y: float, text: str, **style: Any) -> None:
    """Writes text with its baseline's left end at (x, y)."""
    width, height = canvas.get_size_inches() * 72
    canvas.text(x / width, 1 - y / height, text, **{"color": INK} | style)


def place(canvas: "Figure", x: float, y: float, w: float, h: float) -> "Axes":
    """Adds axes whose upper left corner is at (x, y)."""
    width, height = canvas.get_size_inches() * 72
    return canvas.add_axes((x / width, 1 - (y + h) / height, w / width, h / height))


def show(axes: "Axes", pixels: Pixels) -> None:
    """Shows an image that fills the axes."""
    axes.imshow(pixels, aspect="auto", interpolation="antialiased")
    strip_axes(axes)


def strip_axes(axes: "Axes") -> None:
    """Removes the ticks and makes the frame faint."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(FAINT)


def fit_inside(image: NDArray[Any], side: float) -> tuple[float, float]:
    """Width and height of an image (h, w, ...) when its longer side is `side`."""
    height, width = image.shape[:2]
    return side * width / max(width, height), side * height / max(width, height)


def encode_png(canvas: "Figure") -> bytes:
    """Encodes the canvas as a PNG."""
    file = io.BytesIO()
    canvas.savefig(file, format="png", dpi=DOTS, facecolor="white")
    return file.getvalue()
