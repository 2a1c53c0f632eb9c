"""Labels beside points that overlap neither one another nor the points."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from regard.report.drawing import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]
Box = tuple[float, float, float, float]

LEADER = 12.0
GAPS = (6, 11, 18, 27, 38, 51, 66, 83, 102)


def place_labels(
    axes: "Axes", points: Sequence[Point], texts: Sequence[str], colours: Sequence[str], bars: Sequence[Box] = ()
) -> None:
    """Writes a label beside each point, with a thin line to the point where the label is far from it.

    Points are handled from the most crowded one on. Of the candidate positions around a point the one with the least
    cost is taken: overlapping a label or a point costs most, then a line that crosses another, then distance and
    covering a bar.

    Args:
        axes: the axes of the points; its limits must be final.
        points: (x, y) in data coordinates.
        texts: one label for each point.
        colours: one colour for each label.
        bars: (x0, y0, x1, y1) of lines to keep clear of, in data coordinates.
    """
    centres = [(float(x), float(y)) for x, y in axes.transData.transform(list(points))]
    solid = [_box_around(x, y, 4.5, 4.5) for x, y in centres]
    faint = [_bar_box(axes, bar) for bar in bars]
    extent = axes.get_window_extent()
    frame = (extent.x0, extent.y0, extent.x1, extent.y1)
    leaders: list[tuple[Point, Point]] = []
    for i in _most_crowded_first(centres):
        (x, y), (w, h) = centres[i], _size(axes, texts[i])
        options = [_box_around(x + dx, y + dy, w / 2, h / 2) for dx, dy in _offsets(w, h)]
        costs = [_cost(box, centres[i], solid, faint, leaders, frame) for box in options]
        box = options[min(range(len(options)), key=lambda k: (round(costs[k], 3), k))]
        solid.append(box)
        edge = _edge(box, centres[i])
        if _distance(edge, centres[i]) > LEADER:
            leaders.append((centres[i], edge))
        _write(axes, texts[i], colours[i], box, centres[i])


def _cost(
    box: Box, point: Point, solid: list[Box], faint: list[Box], leaders: list[tuple[Point, Point]], frame: Box
) -> float:
    edge = _edge(box, point)
    own = (point, edge)
    crossed = sum(_cross(own, other) for other in leaders) if _distance(*own) > LEADER else 0
    crossing = sum(_crosses_box(leader, box) for leader in leaders)
    covered = sum(_overlap(box, other) for other in faint)
    hard = sum(_overlap(box, other) for other in solid)
    return 50 * hard + 400 * (crossed + crossing) + 40 * _overhang(box, frame) + 0.4 * covered + 2 * _distance(*own)


def _most_crowded_first(centres: Sequence[Point]) -> list[int]:
    crowd = [sum(abs(x - u) < 70 and abs(y - v) < 24 for u, v in centres) for x, y in centres]
    return sorted(range(len(centres)), key=lambda i: -crowd[i])


def _offsets(w: float, h: float) -> list[Point]:
    """Centres of a label of w x h px around a point, the nearest first."""
    found: list[Point] = []
    for gap in GAPS:
        across, up = gap + w / 2, gap + h / 2
        found += [(across, 0), (-across, 0), (0, up), (0, -up)]
        found += [(sx * (gap * 0.7 + w / 2), sy * (gap * 0.7 + h / 2)) for sx in (1, -1) for sy in (1, -1)]
        found += [(sx * across, sy * (gap * 0.5)) for sx in (1, -1) for sy in (1, -1)]
    return found


def _write(axes: "Axes", text: str, colour: str, box: Box, point: Point) -> None:
    back = axes.transData.inverted()
    x, y = back.transform(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))
    ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
    axes.text(x, y, text, color=colour, ha="center", va="center", gid="label", zorder=3.5, bbox=ground)
    edge = _edge(box, point)
    if _distance(edge, point) > LEADER:
        start, end = back.transform(point), back.transform(edge)
        axes.plot([start[0], end[0]], [start[1], end[1]], color=LIGHT, linewidth=0.7, zorder=1)


def _size(axes: "Axes", text: str) -> tuple[float, float]:
    probe = axes.text(0, 0, text)
    extent = probe.get_window_extent()
    probe.remove()
    return float(extent.width), float(extent.height)


def _bar_box(axes: "Axes", bar: Box) -> Box:
    (x0, y0), (x1, y1) = axes.transData.transform([bar[:2], bar[2:]])
    return (min(x0, x1) - 1.5, min(y0, y1) - 1.5, max(x0, x1) + 1.5, max(y0, y1) + 1.5)


def _box_around(x: float, y: float, half_width: float, half_height: float) -> Box:
    return (x - half_width, y - half_height, x + half_width, y + half_height)


def _edge(box: Box, point: Point) -> Point:
    """The point of the box that is nearest to `point`."""
    return (min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3]))


def _distance(a: Point, b: Point) -> float:
    return ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _overhang(box: Box, frame: Box) -> float:
    beyond = max(0.0, frame[0] - box[0]) + max(0.0, box[2] - frame[2])
    return beyond + max(0.0, frame[1] - box[1]) + max(0.0, box[3] - frame[3])


def _cross(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    def side(a: Point, b: Point, c: Point) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    (a, b), (c, d) = one, other
    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def _crosses_box(line: tuple[Point, Point], box: Box) -> bool:
    """Returns True if a line runs through a box."""
    steps = [i / 12 for i in range(13)]
    (x0, y0), (x1, y1) = line
    on = ((x0 + (x1 - x0) * s, y0 + (y1 - y0) * s) for s in steps)
    return any(box[0] < x < box[2] and box[1] < y < box[3] for x, y in on)
