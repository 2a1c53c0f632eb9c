"""The drawing of a flow: what happens to features, from top to bottom, as an SVG that fits light and dark pages."""

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from regard.tracing.layering import Placement, Point, Spacing, place

FlowKind = Literal["features", "step", "unit", "join", "map", "learned"]

ACCENT = "#e0762c"
FONTS = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"
"""The fonts of the reader's system, as in the figures of a report."""
PLAIN = ("step", "unit")
TEXT = 13
SMALL = 11
LINE = 17
ROUND = 11
MARGIN = 14
ARROW = 6
PARTS = 60
"""Between a drawing and the inside of its units."""

STYLE = (
    "svg.flow{color:#1c1c1c;background:#fff}"
    "@media(prefers-color-scheme:dark){svg.flow{color:#e4e4e8;background:#1b1c20}}"
)
"""The colours of a drawing that is a file of its own; in a page it takes the colour of the text around it."""


@dataclass(frozen=True, kw_only=True)
class FlowNode:
    """Something that features or maps pass.

    Attributes:
        name: unlike all others.
        kind: `features` in and out, a `step`, a `unit` whose inside is drawn apart, a `join` of several (a sign in a
            circle), a `map`, something `learned`.
        lines: its text.
    """

    name: str
    kind: FlowKind
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FlowEdge:
    """A tensor on its way from one node to another.

    Attributes:
        start: the name of a node.
        end: the name of another.
        size: its shape in words; empty where it is not to be written.
        part: whether it is only a part of what leaves the node; its size is written at the end of the edge.
    """

    start: str
    end: str
    size: str = ""
    part: bool = False


@dataclass(frozen=True, kw_only=True)
class Flow:
    """The data flow of a module.

    Attributes:
        title: the name of the module.
        description: the same in a sentence, for those who cannot see it.
        nodes: in any order.
        edges: between them, without a cycle.
        spine: the names of the nodes on the straight way of the features.
        parts: the insides of its units, drawn beside it, each with its title.
    """

    title: str
    description: str
    nodes: tuple[FlowNode, ...]
    edges: tuple[FlowEdge, ...]
    spine: tuple[str, ...] = ()
    parts: tuple["Flow", ...] = ()


def draw_flow(flow: Flow, *, alone: bool = False) -> str:
    """Draws it.

    Args:
        flow: what to draw.
        alone: for a file of its own, with colours and a background; else it takes the colour of the page.

    Returns:
        An SVG element. It shrinks to the width of the page.

    Example:
        >>> x, y = (FlowNode(name=n, kind="features", lines=(n,)) for n in "xy")
        >>> flow = Flow(title="nothing", description="x is y.", nodes=(x, y), edges=(FlowEdge(start="x", end="y"),))
        >>> draw_flow(flow)[:4]
        '<svg'
    """
    drawn, (left, right, bottom) = _drawn(flow)
    for part in flow.parts:
        inside, (low, high, height) = _drawn(part)
        x, y = right + PARTS - low, 2 * LINE
        title = f'<text x="{low:.1f}" y="{-LINE}" font-weight="600">{_text(part.title)}</text>'
        drawn += f'<g transform="translate({x:.1f} {y})">{title}{inside}</g>'
        right, bottom = x + max(high, low + _width(part.title)), max(bottom, y + height)
    width, height = right - left + 2 * MARGIN, bottom + 2 * MARGIN
    extra = f' xmlns="http://www.w3.org/2000/svg" class="flow"><style>{STYLE}</style>' if alone else ' class="flow">'
    return (
        f'<svg viewBox="{left - MARGIN:.0f} {-MARGIN} {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" aria-label="{html.escape(flow.description)}" font-family="{FONTS}" '
        f'font-size="{TEXT}" fill="currentColor"{extra}<title>{_text(flow.title)}</title>{drawn}</svg>\n'
    )


def _drawn(flow: Flow) -> tuple[str, tuple[float, float, float]]:
    """The elements of a flow, and how far they reach to the left, to the right and down."""
    sizes = {node.name: _size(node) for node in flow.nodes}
    where = place(sizes, [(edge.start, edge.end) for edge in flow.edges], flow.spine, Spacing(boxes=_gap(flow)))
    boxes = "".join(_node(node, where.centres[node.name], sizes[node.name]) for node in flow.nodes)
    lines = "".join(_edges(flow, where, sizes))
    return lines + boxes, (*_reach(flow, where, sizes), where.bottom)


def _size(node: FlowNode) -> Point:
    """Width and height."""
    if node.kind == "join":
        return 2 * ROUND, 2 * ROUND
    if node.kind == "features":
        beside = sum(2 * (6 + _width(line, SMALL)) for line in node.lines[1:])
        return _width(node.lines[0]) + 12 + beside, LINE + 4
    widest = max(_width(line, TEXT if i == 0 or node.kind in PLAIN else SMALL) for i, line in enumerate(node.lines))
    return widest + 24, LINE * len(node.lines) + 12


def _width(text: str, size: float = TEXT) -> float:
    """About how wide a text is, in the widest of the usual fonts."""
    narrow, wide = sum(text.count(letter) for letter in "iljtf.,:;|'()[] /1-"), sum(text.count(w) for w in "mwMW×")
    return size * (0.36 * narrow + 0.88 * wide + 0.59 * (len(text) - narrow - wide))


def _gap(flow: Flow) -> float:
    """Between two boxes of a rank there is room for the sizes at their edges."""
    return 16 + max((_width(edge.size, SMALL) for edge in flow.edges), default=0) * 0.55


def _node(node: FlowNode, centre: Point, size: Point) -> str:
    x, y = centre
    if node.kind == "features":
        width = _width(node.lines[0])
        name = (
            f'<text x="{x:.1f}" y="{y + 5:.1f}" text-anchor="middle" font-style="italic">{_text(node.lines[0])}</text>'
        )
        return name + "".join(_small(x + width / 2 + 6, y + 5, "start", line) for line in node.lines[1:])
    if node.kind == "join":
        return (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{ROUND}" fill="none" stroke="currentColor" stroke-width="1.2"/>'
            f'<text x="{x:.1f}" y="{y + 5.5:.1f}" text-anchor="middle" font-size="16">{_text(node.lines[0])}</text>'
        )
    box = f'x="{x - size[0] / 2:.1f}" y="{y - size[1] / 2:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}"'
    style = {
        "step": 'rx="4" fill="currentColor" fill-opacity=".06" stroke="currentColor" stroke-opacity=".45"',
        "unit": 'rx="4" fill="currentColor" fill-opacity=".14" stroke="currentColor" stroke-width="1.4"',
        "map": f'rx="15" fill="{ACCENT}" fill-opacity=".16" stroke="{ACCENT}" stroke-width="1.6"',
        "learned": 'rx="4" fill="none" stroke="currentColor" stroke-opacity=".45" stroke-dasharray="4 3"',
    }[node.kind]
    first = y - LINE * (len(node.lines) - 1) / 2 + 4.5
    lines = "".join(
        f'<text x="{x:.1f}" y="{first + i * LINE:.1f}" text-anchor="middle"{_text_style(node, i)}>{_text(line)}</text>'
        for i, line in enumerate(node.lines)
    )
    return f"<rect {box} {style}/>{lines}"


def _text_style(node: FlowNode, line: int) -> str:
    if node.kind in PLAIN:
        return ""
    return ' font-weight="600"' if line == 0 and node.kind == "map" else f' font-size="{SMALL}" fill-opacity=".75"'


def _edges(flow: Flow, where: Placement, sizes: dict[str, Point]) -> Iterator[str]:
    kinds = {node.name: node.kind for node in flow.nodes}
    for edge, route in zip(flow.edges, where.routes, strict=True):
        start, end = where.centres[edge.start], where.centres[edge.end]
        begin = (start[0], start[1] + sizes[edge.start][1] / 2)
        last = route[-1] if route else begin
        goal = (end[0] + _port(flow, where, edge, sizes), end[1] - sizes[edge.end][1] / 2 - ARROW)
        towards, side = (0.0, 1.0), 1 if last[0] > end[0] else -1
        if kinds[edge.end] == "join" and abs(last[0] - end[0]) > ROUND:
            towards = (-side, 0.0) if _free(last[0], end, where, sizes) else (-side * 0.71, 0.71)
            goal = (end[0] - towards[0] * (ROUND + ARROW), end[1] - towards[1] * (ROUND + ARROW))
        way = _way([begin, *route], goal, towards[1] == 0)
        yield f'<path d="{way}" fill="none" stroke="currentColor" stroke-opacity=".6"/>'
        yield _arrow(goal, towards)
        if edge.size:
            x, y, anchor = _place_of_size(edge, flow, where, goal if edge.part else begin)
            if edge.part and towards[1] == 0:
                x, y, anchor = goal[0] + 4 * side, y - 4, "start" if side > 0 else "end"
            yield _small(x, y, anchor, edge.size)


def _free(x: float, end: Point, where: Placement, sizes: dict[str, Point]) -> bool:
    """Returns whether nothing lies beside a join up to where a line comes down."""
    low, high = min(x, end[0]), max(x, end[0])
    beside = [
        (at[0] - sizes[name][0] / 2, at[0] + sizes[name][0] / 2)
        for name, at in where.centres.items()
        if at != end and abs(at[1] - end[1]) < sizes[name][1] / 2 + ROUND
    ]
    passing = [x for route in where.routes for x, y in route if low < x < high and abs(y - end[1]) < ROUND * 3]
    return not passing and all(right < low or left > high for left, right in beside)


def _port(flow: Flow, where: Placement, edge: FlowEdge, sizes: dict[str, Point]) -> float:
    """The distance from the middle of its top at which an edge enters a box that several lead to."""
    ends = {
        e.start: (route[-1] if route else where.centres[e.start])[0]
        for e, route in zip(flow.edges, where.routes, strict=True)
        if e.end == edge.end
    }
    kind = next(node.kind for node in flow.nodes if node.name == edge.end)
    if len(ends) < 2 or kind == "join":
        return 0.0
    order = sorted(ends, key=lambda name: ends[name])
    middle = where.centres[edge.end][0]
    straight = [i for i, name in enumerate(order) if abs(ends[name] - middle) < 1]
    step = min(26.0, sizes[edge.end][0] / (len(order) + 1))
    return (order.index(edge.start) - (straight[0] if straight else (len(order) - 1) / 2)) * step


def _way(points: list[Point], goal: Point, aside: bool) -> str:
    """A line through points: straight within a rank, a curve between two."""
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for i, (x, y) in enumerate(points[1:], start=1):
        x0, y0 = points[i - 1]
        parts.append(
            f"V{y:.1f}"
            if abs(x - x0) < 0.5
            else f"C{x0:.1f} {(y0 + y) / 2:.1f} {x:.1f} {(y0 + y) / 2:.1f} {x:.1f} {y:.1f}"
        )
    (x0, y0), (x, y) = points[-1], goal
    if aside:
        parts.append(f"C{x0:.1f} {y:.1f} {x0:.1f} {y:.1f} {x:.1f} {y:.1f}")
    elif abs(x - x0) < 0.5:
        parts.append(f"V{y:.1f}")
    else:
        parts.append(f"C{x0:.1f} {(y0 + y) / 2:.1f} {x:.1f} {(y0 + y) / 2:.1f} {x:.1f} {y:.1f}")
    return "".join(parts)


def _arrow(goal: Point, towards: Point) -> str:
    (x, y), (dx, dy) = goal, towards
    tip = (x + ARROW * dx, y + ARROW * dy)
    wings = [(x + sign * 3.5 * dy, y - sign * 3.5 * dx) for sign in (1, -1)]
    path = "L".join(f"{a:.1f} {b:.1f}" for a, b in (wings[0], tip, wings[1]))
    return f'<path d="M{path}Z" fill-opacity=".75"/>'


def _place_of_size(edge: FlowEdge, flow: Flow, where: Placement, at: Point) -> tuple[float, float, str]:
    """Beside the node that the edge leaves, on the side to which no edge turns: x, y and the anchor of the text."""
    x, y = at
    if edge.part:
        return x + 6, y - 1, "start"
    turning = [
        (route[0] if route else where.centres[e.end])[0] - x
        for e, route in zip(flow.edges, where.routes, strict=True)
        if e.start == edge.start
    ]
    if edge.start in flow.spine or (max(turning) > 1 and min(turning) > -1):
        return x - 6, y + 13, "end"
    return x + 6, y + 13, "start"


def _reach(flow: Flow, where: Placement, sizes: dict[str, Point]) -> tuple[float, float]:
    """The extent of the boxes, the lines and the texts to the left and to the right."""
    ends: list[float] = [x for route in where.routes for x, _ in route]
    for node in flow.nodes:
        x, _ = where.centres[node.name]
        ends += [x - (_width(node.lines[0]) if node.kind == "features" else sizes[node.name][0]) / 2]
        ends += [x + sizes[node.name][0] / 2]
    for edge in flow.edges:
        x, y = where.centres[edge.end if edge.part else edge.start]
        x, _, anchor = _place_of_size(edge, flow, where, (x, y + sizes[edge.start][1] / 2))
        width = _width(edge.size, SMALL)
        ends += [x - width * (anchor == "end"), x + width * (anchor == "start")]
    return min(ends), max(ends)


def _small(x: float, y: float, anchor: str, text: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{SMALL}" fill-opacity=".75">'
        f"{_text(text)}</text>"
    )


def _text(text: str) -> str:
    return html.escape(text)
