"""The figures of an explanation: where a network looks, which channels it weighs, and a sheet with all of it.

Every figure is laid out in units of 1/72 inch from the upper left corner and saved as a PNG of twice as many dots.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from regard.core.records import Map
from regard.explanation import ActiveChannels, Overlay
from regard.explanation.overlays import COLOURS, Pixels, spread
from regard.report.drawing import ACCENT, FAINT, GREY, INK, LIGHT, panel, shortened
from regard.report.numerals import MINUS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS = 144
MARGIN = 20
WIDTH = 760
MOST_BARS = 80
MOST_PANELS = 24
"""The sheet shows at most so many maps of each sort, evenly spaced over the network."""


@dataclass(frozen=True, eq=False)
class Sight:
    """What there is to draw of one map, of one picture.

    Attributes:
        name: the tap's path, with the call's number where a tap is called several times.
        map: the map.
        low: the smallest value that the tap can pass.
        high: the largest; may be infinite.
        active: the channels that are weighed most, if it weighs channels.
        laid: the map over the picture, if it weighs positions.
    """

    name: str
    map: Map
    low: float
    high: float
    active: ActiveChannels | None
    laid: Overlay | None


def positions_figure(sight: Sight, picture: Pixels) -> bytes:
    """PNG: the picture, the map over it, and the map by itself with its scale."""
    laid, values = sight.laid, sight.map.positions()
    assert laid is not None
    assert values is not None
    weights = values[0].numpy()
    side, tall = _inside(picture, 220)
    with panel(3 * (side + MARGIN) + 80, tall + 110) as canvas:
        averaged = ", averaged over channels" if sight.map.kind == "mixed" else ""
        _heading(
            canvas,
            sight.name,
            f"Weights of {weights.shape[0]} × {weights.shape[1]} positions{averaged}: "
            f"{laid.caption}{_even(sight)}, mean {weights.mean():.2f}; {sight.map.neutral:g} would change nothing.",
        )
        for i, title in enumerate(("Picture", "Weights over the picture", "Weights")):
            axes = _place(canvas, MARGIN + i * (side + MARGIN), 84, side, tall)
            axes.set_title(title, fontsize=10, color=GREY, loc="left", pad=5)
            _image(axes, (picture, laid.pixels)[i]) if i < 2 else None
        shown = axes.imshow(weights, cmap=COLOURS, vmin=laid.low, vmax=laid.high, aspect="auto")
        _bare(axes)
        bar = canvas.colorbar(shown, cax=_place(canvas, 3 * (side + MARGIN) + 8, 84, 10, tall))
        _scale(bar.ax, laid.low, laid.high)
        return _png(canvas)


def channels_figure(sight: Sight) -> bytes:
    """PNG: the weights of all channels in order, and what the most weighed ones show."""
    weights = channel_weights(sight.map)
    active = sight.active
    assert active is not None
    features = active.features
    columns = 0 if features is None or features.ndim != 4 else min(4, features.shape[1])
    with panel(440 + columns * 112 + 12, 346) as canvas:
        _heading(canvas, sight.name, _channel_sentence(sight, weights))
        axes = _place(canvas, 64, 76, 346, 236)
        chosen = active.channels[0].tolist()
        _weights(axes, sight, weights, chosen)
        count = weights.shape[1]
        first = "weight" if len(weights) == 1 else "share of branch 0"
        axes.set_xlabel(f"{count} channels, the largest {first} first")
        axes.set_ylabel(first.split()[0])
        for i in range(2 * columns):
            if features is not None and i < features.shape[1]:
                corner = (446 + i % columns * 112, 88 + i // columns * 132)
                _feature(canvas, corner, features[0, i].numpy(), _channel_label(active, i))
        if columns:
            note = "What the most weighed channels show: features after weighing, bright for large."
            _write(canvas, 446, 70, shortened(note, 28 * columns), color=GREY, fontsize=9)
        return _png(canvas)


def summary_figure(title: str, picture: Pixels, answers: Sequence[tuple[str, float]], sights: Sequence[Sight]) -> bytes:
    """PNG: the picture, the answer, every map over the picture, and every channel's weight, in the network's order.

    Args:
        title: what was explained.
        picture: what the network saw.
        answers: the likeliest classes with their probabilities; may be empty.
        sights: all maps.
    """
    seen = _evenly([s for s in sights if s.laid is not None])
    weighed = _evenly([s for s in sights if s.active is not None])
    columns = _columns(max(len(seen), len(weighed)))
    cell = (WIDTH - MARGIN) / columns - MARGIN
    large, small = _inside(picture, 220), _inside(picture, cell)
    head = max(large[1], 26 + 30 * len(answers))
    top, where, profile = 60.0, small[1] + 42, 0.42 * cell + 44
    tall = [
        rows * step + 46 if rows else 0
        for rows, step in ((-(-len(seen) // columns), where), (-(-len(weighed) // columns), profile))
    ]
    with panel(WIDTH, round(top + head + 20 + sum(tall) + 4)) as canvas:
        _write(canvas, MARGIN, 34, shortened(title, 70), fontsize=15)
        _image(_place(canvas, MARGIN, top, *large), picture)
        _answers(canvas, answers, MARGIN + large[0] + 40, top)
        y = top + head + 20
        corners = [(MARGIN + i % columns * (cell + MARGIN), i // columns) for i in range(MOST_PANELS)]
        if seen:
            _positions_title(canvas, y + 22)
        for sight, name, (x, row) in zip(seen, short_names([s.name for s in seen]), corners, strict=False):
            _over(canvas, sight, name, (x, y + 38 + row * where, *small))
        y += tall[0]
        if weighed:
            _write(canvas, MARGIN, y + 22, "Which channels count", fontsize=12)
            _write(canvas, MARGIN + 146, y + 22, _profile_note(weighed), fontsize=9, color=GREY)
        for sight, name, (x, row) in zip(weighed, short_names([s.name for s in weighed]), corners, strict=False):
            _profile(canvas, sight, name, (x, y + 40 + row * profile, cell, 0.42 * cell))
        return _png(canvas)


def channel_weights(map: Map) -> NDArray[np.float32]:
    """(k, c) weights of the channels of one picture: k branches, 1 where the map is not over branches."""
    if map.kind == "branch":
        return map.values[0].flatten(1).numpy()
    weights = map.channels()
    assert weights is not None
    return weights[:1].numpy()


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


def _profile_note(sights: Sequence[Sight]) -> str:
    if all(s.map.kind == "branch" for s in sights):
        return (
            "shares of the branches in all channels, the largest share of branch 0 (blue) first; dashed: equal shares"
        )
    return "all channels, the largest weight first; blue: the most weighed; dashed: would change nothing"


def _even(sight: Sight) -> str:
    """A remark on a map whose colours would make too much of its differences."""
    assert sight.laid is not None
    span = sight.high - sight.low
    return ", nearly even" if np.isfinite(span) and sight.laid.largest - sight.laid.smallest < 0.05 * span else ""


def _positions_title(canvas: "Figure", y: float) -> None:
    """The heading of the overlays, with a legend of the scale that each has for itself."""
    note = "weights of positions over the picture, each map on its own scale"
    _write(canvas, MARGIN, y, "Where it looks", fontsize=12)
    _write(canvas, MARGIN + 98, y, note, fontsize=9, color=GREY)
    _write(canvas, WIDTH - MARGIN - 122, y, "smallest", fontsize=9, color=GREY, ha="right")
    axes = _place(canvas, WIDTH - MARGIN - 116, y - 8, 74, 8)
    axes.imshow(np.linspace(0, 1, 256)[None], cmap=COLOURS, aspect="auto")
    _bare(axes)
    _write(canvas, WIDTH - MARGIN, y, "largest", fontsize=9, color=GREY, ha="right")


def _channel_sentence(sight: Sight, weights: NDArray[np.float32]) -> str:
    count = weights.shape[1]
    if len(weights) > 1:
        return (
            f"Shares of {len(weights)} branches in {count} channels: {spread(weights.min(), weights.max())}; "
            f"{sight.map.neutral:.2g} would be an equal share."
        )
    averaged = ", averaged over positions" if sight.map.kind == "mixed" else ""
    return (
        f"Weights of {count} channels{averaged}: {spread(weights.min(), weights.max())}, mean {weights.mean():.2f}; "
        f"{sight.map.neutral:g} would change nothing."
    )


def _channel_label(active: ActiveChannels, i: int) -> str:
    channel, weight = int(active.channels[0, i]), float(active.weights[0, i])
    if active.branches is None:
        return f"channel {channel}: {weight:.2f}"
    return f"{channel}: {weight:.2f} of branch {int(active.branches[0, i])}"


def _weights(axes: "Axes", sight: Sight, weights: NDArray[np.float32], chosen: Sequence[int]) -> None:
    """The weights of all channels, the largest first; of branches one line each."""
    order = np.argsort(-weights[0], kind="stable")
    low, high = _limits(sight, weights)
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


def _limits(sight: Sight, weights: NDArray[np.float32]) -> tuple[float, float]:
    """What the tap can pass; up to the largest weight and the neutral one where that has no end."""
    high = sight.high if np.isfinite(sight.high) else 1.05 * max(float(weights.max()), sight.map.neutral)
    low = sight.low if np.isfinite(sight.low) else min(float(weights.min()), 0.0)
    return min(low, float(weights.min())), max(high, float(weights.max()))


def _feature(canvas: "Figure", corner: tuple[float, float], values: NDArray[np.float32], label: str) -> None:
    """A channel's features with its label and their range."""
    x, y = corner
    side = 94
    width, height = _inside(values, side)
    axes = _place(canvas, x, y, width, height)
    axes.imshow(values, cmap=COLOURS, aspect="auto", interpolation="nearest")
    _bare(axes)
    _write(canvas, x, y + side + 11, label, fontsize=8.5)
    told = spread(float(values.min()), float(values.max())).replace("-", MINUS)
    _write(canvas, x, y + side + 22, told, fontsize=8.5, color=GREY)


def _over(canvas: "Figure", sight: Sight, name: str, box: tuple[float, float, float, float]) -> None:
    assert sight.laid is not None
    _image(_place(canvas, *box), sight.laid.pixels)
    x, y, _, height = box
    _write(canvas, x, y + height + 13, shortened(name, 26), fontsize=9)
    _write(canvas, x, y + height + 26, sight.laid.caption + _even(sight), fontsize=9, color=GREY)


def _profile(canvas: "Figure", sight: Sight, name: str, box: tuple[float, float, float, float]) -> None:
    assert sight.active is not None
    weights = channel_weights(sight.map)
    x, y, width, height = box
    axes = _place(canvas, x + 20, y, width - 20, height)
    _weights(axes, sight, weights, sight.active.channels[0].tolist())
    if (legend := axes.get_legend()) is not None:
        legend.remove()
    low, high = axes.get_ylim()[0], _limits(sight, weights)[1]
    axes.set_yticks([low, high], [f"{low:.2g}", f"{high:.2g}"], fontsize=8)
    axes.tick_params(axis="y", length=0, pad=2)
    _write(canvas, x, y + height + 14, shortened(name, 26), fontsize=9)
    told = f"{weights.shape[1]} channels, {spread(weights.min(), weights.max())}"
    _write(canvas, x, y + height + 27, told, fontsize=9, color=GREY)


def _answers(canvas: "Figure", answers: Sequence[tuple[str, float]], x: float, y: float) -> None:
    if not answers:
        return
    _write(canvas, x, y + 12, "Its answer", fontsize=12)
    _write(canvas, x + 74, y + 12, "probability", fontsize=9, color=GREY)
    axes = _place(canvas, x + 130, y + 26, 220, 30 * len(answers))
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


def _heading(canvas: "Figure", name: str, sentence: str) -> None:
    _write(canvas, MARGIN, 28, name, fontsize=13)
    _write(canvas, MARGIN, 48, sentence, fontsize=10, color=GREY)


def _write(canvas: "Figure", x: float, y: float, text: str, **style: Any) -> None:
    """Text with its baseline's left end at (x, y)."""
    width, height = canvas.get_size_inches() * 72
    canvas.text(x / width, 1 - y / height, text, **{"color": INK} | style)


def _place(canvas: "Figure", x: float, y: float, w: float, h: float) -> "Axes":
    """Axes whose upper left corner is at (x, y)."""
    width, height = canvas.get_size_inches() * 72
    return canvas.add_axes((x / width, 1 - (y + h) / height, w / width, h / height))


def _image(axes: "Axes", pixels: Pixels) -> None:
    axes.imshow(pixels, aspect="auto", interpolation="antialiased")
    _bare(axes)


def _bare(axes: "Axes") -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(FAINT)


def _scale(axes: "Axes", low: float, high: float) -> None:
    """The two ends of a colour bar and its middle, with as many digits as tell them apart."""
    ends = spread(low, high).split(" to ")
    if len(ends) == 1:
        axes.set_yticks([low], ends)
    else:
        digits = len(ends[0].partition(".")[2])
        axes.set_yticks([low, (low + high) / 2, high], [ends[0], f"{(low + high) / 2:.{digits}f}", ends[1]])
    axes.tick_params(length=0, labelsize=10)
    axes.spines["outline"].set_visible(False)


def _inside(picture: NDArray[Any], side: float) -> tuple[float, float]:
    """Width and height of a picture (h, w, ...) when its longer side is `side`."""
    height, width = picture.shape[:2]
    return side * width / max(width, height), side * height / max(width, height)


def _evenly(sights: Sequence[Sight]) -> list[Sight]:
    """At most `MOST_PANELS` of them, evenly spaced, the first and the last included."""
    if len(sights) <= MOST_PANELS:
        return list(sights)
    return [sights[round(i * (len(sights) - 1) / (MOST_PANELS - 1))] for i in range(MOST_PANELS)]


def _png(canvas: "Figure") -> bytes:
    file = io.BytesIO()
    canvas.savefig(file, format="png", dpi=DOTS, facecolor="white")
    return file.getvalue()
