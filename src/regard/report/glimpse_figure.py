"""The figure of a network that looks through glimpses: its path, its patches, and the classes after each glimpse."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from regard.report.drawing import ACCENT, GREY, panel, shorten
from regard.report.explanation_drawing import MARGIN, encode_png, fit_inside, place, show, strip_axes, write
from regard.report.numerals import plural
from regard.report.overlays import Pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TALL = 260
_CELL = 58
_GAP = 8
_MOST_CLASSES = 12
_TOP = 84


@dataclass(frozen=True, eq=False, kw_only=True)
class GlimpsePath:
    """The glimpses of a network at one image.

    Attributes:
        positions: (t, 2), x before y, -1 and 1 the outer edges of the image.
        sides: of the patches of each scale, in pixels, the finest first.
        seen: (t, k, h, w, 3) uint8, the patches of the sensor at each of k scales.
        probabilities: (t, classes) after each glimpse; None where the network does not return them.
        classes: names of the classes; empty where they are not known.
    """

    positions: NDArray[np.float32]
    sides: tuple[float, ...]
    seen: NDArray[np.uint8]
    probabilities: NDArray[np.float32] | None
    classes: Sequence[str] = ()


def glimpses_figure(path: GlimpsePath, image: Pixels, size: tuple[int, int]) -> bytes:
    """PNG: the image with numbered glimpses, the patches of each, and the classes' probabilities after each.

    Args:
        path: the glimpses.
        image: (h, w, 3), the image, enlarged.
        size: height and width of the image as the network saw it.
    """
    wide, tall = fit_inside(image, _TALL)
    looks, scales = path.seen.shape[:2]
    table = 0 if path.probabilities is None else looks * (_CELL + _GAP) + 90
    grid = looks * (_CELL + _GAP)
    width = MARGIN + wide + 2 * MARGIN + max(grid + 60, table) + MARGIN
    rows = 0 if path.probabilities is None else 20 * min(path.probabilities.shape[1], _MOST_CLASSES) + 34
    height = _TOP + max(tall, scales * (_CELL + _GAP) + 20 + rows) + 24
    with panel(width, height) as canvas:
        write(canvas, MARGIN, 28, plural(looks, "glimpse"), fontsize=13)
        write(canvas, MARGIN, 48, _describe_moves(path), fontsize=10, color=GREY)
        axes = place(canvas, MARGIN, _TOP, wide, tall)
        show(axes, image)
        _draw_path(axes, path, image.shape[:2], size)
        left = MARGIN + wide + 2 * MARGIN
        for look in range(looks):
            x = left + 60 + look * (_CELL + _GAP)
            write(canvas, x + _CELL / 2 - 4, _TOP - 8, str(look + 1), fontsize=10, color=ACCENT)
            for scale in range(scales):
                show(place(canvas, x, _TOP + scale * (_CELL + _GAP), _CELL, _CELL), path.seen[look, scale])
        for scale, side in enumerate(path.sides):
            y = _TOP + scale * (_CELL + _GAP) + _CELL / 2 + 4
            write(canvas, left, y, f"{side:g} px", fontsize=10, color=GREY)
        if path.probabilities is not None:
            top = _TOP + scales * (_CELL + _GAP) + 24
            chosen = _likeliest(path.probabilities)
            axes = place(canvas, left + 60, top, grid - _GAP, 20 * len(chosen))
            _draw_probabilities(axes, path, chosen)
            write(canvas, left, top - 8, "Probability of each class after each glimpse", fontsize=10, color=GREY)
        return encode_png(canvas)


def _describe_moves(path: GlimpsePath) -> str:
    """A sentence about the distances between glimpses."""
    if len(path.positions) < 2:
        return "One glimpse, no choice."
    steps = np.linalg.norm(np.diff(path.positions, axis=0), axis=1)
    return f"Mean distance between glimpses: {steps.mean():.2f} of half the image."


def _draw_path(axes: "Axes", path: GlimpsePath, shown: tuple[int, int], size: tuple[int, int]) -> None:
    """Numbers, arrows and the frame of the finest patch over the image."""
    from matplotlib.patches import Rectangle

    points = (path.positions + 1) / 2 * np.array(shown[::-1])
    side = path.sides[0] * np.array([shown[1] / size[1], shown[0] / size[0]])
    axes.plot(points[:, 0], points[:, 1], color=ACCENT, linewidth=1.4, clip_on=False)
    for number, point in enumerate(points, 1):
        corner = point - side / 2
        axes.add_patch(Rectangle((corner[0], corner[1]), *side, fill=False, edgecolor=ACCENT, linewidth=0.9, alpha=0.7))
        axes.text(
            float(point[0]),
            float(point[1]),
            str(number),
            ha="center",
            va="center",
            fontsize=9,
            color="white",
            bbox={"boxstyle": "circle,pad=0.15", "facecolor": ACCENT, "edgecolor": "white", "linewidth": 0.6},
        )
    axes.set_xlim(0, shown[1])
    axes.set_ylim(shown[0], 0)


def _likeliest(probabilities: NDArray[np.float32]) -> list[int]:
    """The classes to show, in their own order: those with the highest probabilities after any glimpse."""
    order = np.argsort(-probabilities.max(0), kind="stable")[:_MOST_CLASSES]
    return sorted(int(k) for k in order)


def _draw_probabilities(axes: "Axes", path: GlimpsePath, chosen: list[int]) -> None:
    assert path.probabilities is not None
    values = path.probabilities[:, chosen].T
    axes.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, look), value in np.ndenumerate(values):
        if value >= 0.01:
            colour = "white" if value > 0.6 else GREY
            axes.text(look, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=8, color=colour)
    strip_axes(axes)
    names = [path.classes[k] if path.classes else f"class {k}" for k in chosen]
    axes.set_yticks(range(len(chosen)), [shorten(name, 9) for name in names], fontsize=9)
    axes.tick_params(length=0)
