"""The sheet of an explanation: the image, the answer, and all that the network's attention did, layer by layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from regard.core import Axis
from regard.report.drawing import ACCENT, GREY, INK, LIGHT, panel, shortened
from regard.report.explanation_drawing import (
    MARGIN,
    SeenMap,
    bare,
    channel_weights,
    draw_weights,
    encoded,
    evenness,
    inside,
    limits,
    place,
    show,
    write,
)
from regard.report.fonts import lettering_for
from regard.report.overlays import COLOURS, Pixels, colours, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 760
MOST_PANELS = 24
"""The sheet shows at most so many maps of each sort, evenly spaced over the network."""
TILES = 4
"""Of so many of the most weighed channels the sheet shows the features."""


def summary_figure(title: str, image: Pixels, answers: Sequence[tuple[str, float]], sights: Sequence[SeenMap]) -> bytes:
    """PNG: the image, the answer, every map over the image, and every channel's weight, in the network's order.

    Args:
        title: what was explained.
        image: what the network saw.
        answers: the likeliest classes with their probabilities; may be empty.
        sights: all maps.
    """
    lettering = lettering_for([title, *(name for name, _ in answers)])
    answers = [(lettering.write(name), probability) for name, probability in answers]
    seen = _evenly([s for s in sights if s.laid is not None])
    weighed = _evenly([s for s in sights if s.active is not None])
    columns = _columns(max(len(seen), len(weighed)))
    cell = (WIDTH - MARGIN) / columns - MARGIN
    large, small = inside(image, 220), inside(image, cell)
    head = max(large[1], 26 + 30 * len(answers))
    strips = {s.name: _strip(s, cell) for s in weighed}
    top, where, profile = 60.0, small[1] + 42, 0.42 * cell + 52 + max((h for _, _, h in strips.values()), default=0.0)
    tall = [
        rows * step + 46 if rows else 0
        for rows, step in ((-(-len(seen) // columns), where), (-(-len(weighed) // columns), profile))
    ]
    with panel(WIDTH, round(top + head + 20 + sum(tall) + 4), lettering.families) as canvas:
        write(canvas, MARGIN, 34, shortened(lettering.write(title), 70), fontsize=15)
        show(place(canvas, MARGIN, top, *large), image)
        _answers(canvas, answers, MARGIN + large[0] + 40, top)
        y = top + head + 20
        corners = [(MARGIN + i % columns * (cell + MARGIN), i // columns) for i in range(MOST_PANELS)]
        if seen:
            _positions_title(canvas, y + 22)
        for sight, name, (x, row) in zip(seen, short_names([s.name for s in seen]), corners, strict=False):
            _over(canvas, sight, name, (x, y + 38 + row * where, *small))
        y += tall[0]
        if weighed:
            write(canvas, MARGIN, y + 22, "Which channels count", fontsize=12)
            write(canvas, MARGIN + 146, y + 22, _profile_note(weighed), fontsize=9, color=GREY)
        for sight, name, (x, row) in zip(weighed, short_names([s.name for s in weighed]), corners, strict=False):
            corner = (x, y + 40 + row * profile)
            _profile(canvas, sight, name, (*corner, cell, 0.42 * cell))
            strip, width, height = strips[sight.name]
            if strip is not None:
                show(place(canvas, x, corner[1] + 0.42 * cell + 36, width, height), strip)
        return encoded(canvas)


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


def _columns(count: int) -> int:
    """How many panels a row holds: 3 to 5, with the fewest places left empty."""
    return count if 3 < count < 5 else min((5, 4, 3), key=lambda columns: -count % columns)


def _evenly(sights: Sequence[SeenMap]) -> list[SeenMap]:
    """At most `MOST_PANELS` of them, evenly spaced, the first and the last included."""
    if len(sights) <= MOST_PANELS:
        return list(sights)
    return [sights[round(i * (len(sights) - 1) / (MOST_PANELS - 1))] for i in range(MOST_PANELS)]


def _positions_title(canvas: "Figure", y: float) -> None:
    """The heading of the overlays, with a legend of the scale that each has for itself."""
    note = "weights of positions over the image, each map on its own scale"
    write(canvas, MARGIN, y, "Where it looks", fontsize=12)
    write(canvas, MARGIN + 98, y, note, fontsize=9, color=GREY)
    write(canvas, WIDTH - MARGIN - 122, y, "smallest", fontsize=9, color=GREY, ha="right")
    axes = place(canvas, WIDTH - MARGIN - 116, y - 8, 74, 8)
    axes.imshow(np.linspace(0, 1, 256)[None], cmap=COLOURS, aspect="auto")
    bare(axes)
    write(canvas, WIDTH - MARGIN, y, "largest", fontsize=9, color=GREY, ha="right")


def _profile_note(sights: Sequence[SeenMap]) -> str:
    if all(Axis.BRANCH in s.map.kind.axes for s in sights):
        return (
            "shares of branch 0 (blue) and others; dashed: equal shares; below: features of the most decided channels"
        )
    return (
        "all weights, the largest first; dashed: would change nothing; below: features of the most weighed ones (blue)"
    )


def _answers(canvas: "Figure", answers: Sequence[tuple[str, float]], x: float, y: float) -> None:
    if not answers:
        return
    write(canvas, x, y + 12, "Its answer", fontsize=12)
    write(canvas, x + 74, y + 12, "probability", fontsize=9, color=GREY)
    axes = place(canvas, x + 130, y + 26, 220, 30 * len(answers))
    probabilities = [p for _, p in answers]
    axes.barh(range(len(answers)), probabilities, color=[ACCENT, *[LIGHT] * (len(answers) - 1)], height=0.62)
    axes.set_yticks(range(len(answers)), [shortened(name, 20) for name, _ in answers], fontsize=10, color=INK)
    axes.tick_params(length=0)
    axes.set_ylim(len(answers) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    for row, probability in enumerate(probabilities):
        axes.text(probability + 0.02, row, f"{100 * probability:.1f} %", va="center_baseline", fontsize=10, color=INK)


def _over(canvas: "Figure", sight: SeenMap, name: str, box: tuple[float, float, float, float]) -> None:
    assert sight.laid is not None
    show(place(canvas, *box), sight.laid.pixels)
    x, y, _, height = box
    write(canvas, x, y + height + 13, shortened(name, 26), fontsize=9)
    write(canvas, x, y + height + 26, sight.laid.caption + evenness(sight), fontsize=9, color=GREY)


def _profile(canvas: "Figure", sight: SeenMap, name: str, box: tuple[float, float, float, float]) -> None:
    assert sight.active is not None
    weights = channel_weights(sight.map)
    x, y, width, height = box
    axes = place(canvas, x + 20, y, width - 20, height)
    draw_weights(axes, sight, weights, sight.active.channels.tolist())
    if (legend := axes.get_legend()) is not None:
        legend.remove()
    low, high = axes.get_ylim()[0], limits(sight, weights)[1]
    axes.set_yticks([low, high], [f"{low:.2g}", f"{high:.2g}"], fontsize=8)
    axes.tick_params(axis="y", length=0, pad=2)
    write(canvas, x, y + height + 14, shortened(name, 26), fontsize=9)
    told = f"{weights.shape[1]} channels, {spread(weights.min(), weights.max())}"
    write(canvas, x, y + height + 27, told, fontsize=9, color=GREY)


def _strip(sight: SeenMap, cell: float) -> tuple[Pixels | None, float, float]:
    """The features of the most weighed channels side by side, with the strip's width and height where four fill a cell.

    Each is on its own scale.
    """
    features = sight.active.features if sight.active else None
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
