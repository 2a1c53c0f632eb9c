"""The sheet of an explanation: the image, the prediction and every layer's attention weights."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from regard.core import Axis
from regard.report.drawing import ACCENT, GREY, INK, LIGHT, panel, shorten
from regard.report.explanation_drawing import (
    MARGIN,
    MapView,
    channel_weights,
    draw_weights,
    encode_png,
    evenness_remark,
    fit_inside,
    place,
    show,
    strip_axes,
    weight_limits,
    write,
)
from regard.report.fonts import lettering_for
from regard.report.overlays import COLOURS, Pixels, colours, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 760
MOST_PANELS = 24
"""The largest number of maps of each sort on the sheet, evenly spaced over the network."""
TILES = 4
"""The number of the most active channels whose features the sheet shows."""


def summary_figure(title: str, image: Pixels, answers: Sequence[tuple[str, float]], views: Sequence[MapView]) -> bytes:
    """PNG: the image, the answer, every map over the image, and every channel's weight, in the network's order.

    Args:
        title: the title of the sheet.
        image: the input of the network.
        answers: the likeliest classes with their probabilities; may be empty.
        views: all maps.
    """
    lettering = lettering_for([title, *(name for name, _ in answers)])
    answers = [(lettering.write(name), probability) for name, probability in answers]
    seen = _select_evenly([s for s in views if s.laid is not None])
    gated = _select_evenly([s for s in views if s.active is not None])
    columns = _count_columns(max(len(seen), len(gated)))
    cell = (WIDTH - MARGIN) / columns - MARGIN
    large, small = fit_inside(image, 220), fit_inside(image, cell)
    head = max(large[1], 26 + 30 * len(answers))
    strips = {s.name: _feature_strip(s, cell) for s in gated}
    top, where, profile = 60.0, small[1] + 42, 0.42 * cell + 52 + max((h for _, _, h in strips.values()), default=0.0)
    tall = [
        rows * step + 46 if rows else 0
        for rows, step in ((-(-len(seen) // columns), where), (-(-len(gated) // columns), profile))
    ]
    with panel(WIDTH, round(top + head + 20 + sum(tall) + 4), lettering.families) as canvas:
        write(canvas, MARGIN, 34, shorten(lettering.write(title), 70), fontsize=15)
        show(place(canvas, MARGIN, top, *large), image)
        _draw_answers(canvas, answers, MARGIN + large[0] + 40, top)
        y = top + head + 20
        corners = [(MARGIN + i % columns * (cell + MARGIN), i // columns) for i in range(MOST_PANELS)]
        if seen:
            _positions_title(canvas, y + 22)
        for view, name, (x, row) in zip(seen, short_names([s.name for s in seen]), corners, strict=False):
            _draw_overlay(canvas, view, name, (x, y + 38 + row * where, *small))
        y += tall[0]
        if gated:
            write(canvas, MARGIN, y + 22, "Which channels count", fontsize=12)
            write(canvas, MARGIN + 146, y + 22, _profile_note(gated), fontsize=9, color=GREY)
        for view, name, (x, row) in zip(gated, short_names([s.name for s in gated]), corners, strict=False):
            corner = (x, y + 40 + row * profile)
            _draw_profile(canvas, view, name, (*corner, cell, 0.42 * cell))
            strip, width, height = strips[view.name]
            if strip is not None:
                show(place(canvas, x, corner[1] + 0.42 * cell + 36, width, height), strip)
        return encode_png(canvas)


def short_names(paths: Sequence[str]) -> list[str]:
    """The paths without the last words that all of them share; one word at least stays.

    >>> short_names(["layer1.0.attention.gate", "layer2.0.attention.gate"])
    ['layer1', 'layer2']
    """
    parts = [path.split(".") for path in paths]
    shared = 0
    while len(parts) > 1 and all(len(p) > shared + 1 for p in parts) and len({p[-1 - shared] for p in parts}) == 1:
        shared += 1
    return [".".join(p[: len(p) - shared]) for p in parts]


def _count_columns(count: int) -> int:
    """The number of panels in a row: 3 to 5, with the fewest cells left empty."""
    return count if 3 < count < 5 else min((5, 4, 3), key=lambda columns: -count % columns)


def _select_evenly(views: Sequence[MapView]) -> list[MapView]:
    """At most `MOST_PANELS` of them, evenly spaced, the first and the last included."""
    if len(views) <= MOST_PANELS:
        return list(views)
    return [views[round(i * (len(views) - 1) / (MOST_PANELS - 1))] for i in range(MOST_PANELS)]


def _positions_title(canvas: "Figure", y: float) -> None:
    """Writes the heading of the overlays, with a legend of their scale."""
    note = "weights of positions over the image, each map on its own scale"
    write(canvas, MARGIN, y, "Where it looks", fontsize=12)
    write(canvas, MARGIN + 98, y, note, fontsize=9, color=GREY)
    write(canvas, WIDTH - MARGIN - 122, y, "smallest", fontsize=9, color=GREY, ha="right")
    axes = place(canvas, WIDTH - MARGIN - 116, y - 8, 74, 8)
    axes.imshow(np.linspace(0, 1, 256)[None], cmap=COLOURS, aspect="auto")
    strip_axes(axes)
    write(canvas, WIDTH - MARGIN, y, "largest", fontsize=9, color=GREY, ha="right")


def _profile_note(views: Sequence[MapView]) -> str:
    if all(Axis.BRANCH in s.map.kind.axes for s in views):
        return (
            "shares of branch 0 (blue) and others; dashed: equal shares; below: features of the most decided channels"
        )
    return (
        "all weights, the largest first; dashed: would change nothing; below: features of the most active ones (blue)"
    )


def _draw_answers(canvas: "Figure", answers: Sequence[tuple[str, float]], x: float, y: float) -> None:
    if not answers:
        return
    write(canvas, x, y + 12, "Its answer", fontsize=12)
    write(canvas, x + 74, y + 12, "probability", fontsize=9, color=GREY)
    axes = place(canvas, x + 130, y + 26, 220, 30 * len(answers))
    probabilities = [p for _, p in answers]
    axes.barh(range(len(answers)), probabilities, color=[ACCENT, *[LIGHT] * (len(answers) - 1)], height=0.62)
    axes.set_yticks(range(len(answers)), [shorten(name, 20) for name, _ in answers], fontsize=10, color=INK)
    axes.tick_params(length=0)
    axes.set_ylim(len(answers) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    for row, probability in enumerate(probabilities):
        axes.text(probability + 0.02, row, f"{100 * probability:.1f} %", va="center_baseline", fontsize=10, color=INK)


def _draw_overlay(canvas: "Figure", view: MapView, name: str, box: tuple[float, float, float, float]) -> None:
    assert view.laid is not None
    show(place(canvas, *box), view.laid.pixels)
    x, y, _, height = box
    write(canvas, x, y + height + 13, shorten(name, 26), fontsize=9)
    write(canvas, x, y + height + 26, view.laid.caption + evenness_remark(view), fontsize=9, color=GREY)


def _draw_profile(canvas: "Figure", view: MapView, name: str, box: tuple[float, float, float, float]) -> None:
    assert view.active is not None
    weights = channel_weights(view.map)
    x, y, width, height = box
    axes = place(canvas, x + 20, y, width - 20, height)
    draw_weights(axes, view, weights, view.active.channels.tolist())
    if (legend := axes.get_legend()) is not None:
        legend.remove()
    low, high = axes.get_ylim()[0], weight_limits(view, weights)[1]
    axes.set_yticks([low, high], [f"{low:.2g}", f"{high:.2g}"], fontsize=8)
    axes.tick_params(axis="y", length=0, pad=2)
    write(canvas, x, y + height + 14, shorten(name, 26), fontsize=9)
    label = f"{weights.shape[1]} channels, {spread(weights.min(), weights.max())}"
    write(canvas, x, y + height + 27, label, fontsize=9, color=GREY)


def _feature_strip(view: MapView, cell: float) -> tuple[Pixels | None, float, float]:
    """The features of the most active channels side by side, with the strip's width and height if four fill a cell.

    Each is on its own scale.
    """
    features = view.active.features if view.active else None
    if features is None or features.ndim != 3:
        return None, 0.0, 0.0
    tiles = list(features[:TILES])
    height, width = tiles[0].shape
    times = max(1, round(96 / max(height, width)))
    gap = max(1, round(0.08 * width * times))
    white = np.full((height * times, gap, 3), 255, dtype=np.uint8)
    row: list[Pixels] = []
    for tile in tiles:
        row += [colours(tile, float(tile.min()), float(tile.max())).repeat(times, 0).repeat(times, 1), white]
    strip = np.concatenate(row[:-1], axis=1)
    unit = cell / (TILES * width * times + (TILES - 1) * gap)
    return strip, strip.shape[1] * unit, strip.shape[0] * unit
