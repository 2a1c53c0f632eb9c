"""How figures are drawn: one accent colour and greys, text that stays text, an SVG that stands inside a page.

Matplotlib is imported when a figure is drawn. One unit of a figure is one CSS pixel at its natural width, so that a
panel of 340 px keeps its letters legible in one column of a phone.
"""

import hashlib
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

ACCENT = "#1f5a94"
INK = "#1c1c1c"
GREY = "#6b6b6b"
LIGHT = "#b9b9b9"
FAINT = "#e2e2e2"

FONTS = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": LIGHT,
    "axes.labelcolor": GREY,
    "axes.labelsize": 11,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "xtick.color": LIGHT,
    "ytick.color": LIGHT,
    "xtick.labelcolor": GREY,
    "ytick.labelcolor": GREY,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A drawn panel.

    Attributes:
        title: what it shows, a few words; the page sets it above the panel.
        description: what there is to see, for those who cannot see it.
        svg: an `<svg>` element, ready to stand in a page; it takes the width it is given.
        width: its natural width, px.
    """

    title: str
    description: str
    svg: str
    width: int


@contextmanager
def panel(width: int, height: int) -> Iterator["Canvas"]:
    """An empty canvas of width x height px; whatever is drawn inside the `with` has the house style."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    with mpl.rc_context(cast(Any, STYLE)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        canvas = Canvas(figsize=(width / 72, height / 72), dpi=72)
        FigureCanvasAgg(canvas)
        yield canvas


def finish(canvas: "Canvas", title: str, description: str) -> Figure:
    """The canvas as a `Figure`; call it inside `panel`."""
    import matplotlib as mpl

    file = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "regard"}):
        canvas.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    width, height = (round(float(side) * 72) for side in canvas.get_size_inches())
    svg = _inline(file.getvalue().decode(), width, height)
    return Figure(title=title, description=description, svg=svg, width=width)


def shortened(text: str, most: int = 22) -> str:
    """`text` on one line of at most `most` letters.

    >>> shortened("a class with a very long name")
    'a class with a very l…'
    """
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= most else line[: most - 1] + "…"


def percent_axis(axis: Any) -> None:
    """Shows an axis's shares as per cent, with a few round ticks."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}"))


def place_labels(axes: "Axes", points: Sequence[tuple[float, float]], texts: Sequence[str], colours: Sequence[str],
                 bars: Sequence[tuple[float, float, float, float]] = ()) -> None:  # fmt: skip
    """Writes a label beside each point so that labels overlap neither one another nor points and bars.

    The most crowded point chooses first among places around it, nearest places first; a label that stands away from
    its point gets a thin line to it. The axes' limits must be final.

    Args:
        axes: where the points are.
        points: (x, y) in data coordinates.
        texts: one label for each point.
        colours: one colour for each label.
        bars: (x0, y0, x1, y1) of lines to keep clear of, in data coordinates.
    """
    places = axes.transData.transform(list(points))
    taken = [_around(x, y, 4.5, 4.5) for x, y in places] + [_bar(axes, bar) for bar in bars]
    frame = axes.get_window_extent()
    sizes = [_size(axes, text) for text in texts]
    crowd = [sum(abs(x - u) < 70 and abs(y - v) < 24 for u, v in places) for x, y in places]
    for i in sorted(range(len(texts)), key=lambda i: -crowd[i]):
        (x, y), (w, h) = places[i], sizes[i]
        options = [_around(x + dx, y + dy, w / 2, h / 2) for dx, dy in _offsets(w, h)]
        inside = (frame.x0, frame.y0, frame.x1, frame.y1)
        costs = [sum(_overlap(box, other) for other in taken) + _outside(box, inside) for box in options]
        best = min(range(len(options)), key=lambda k: (round(costs[k], 3), k))
        box = options[best]
        taken.append(box)
        centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        _write(axes, texts[i], colours[i], centre, (x, y), box)


Box = tuple[float, float, float, float]


def _offsets(w: float, h: float) -> list[tuple[float, float]]:
    """Centres of a label of w x h px around a point, the nearest first."""
    found = []
    for gap in (7, 13, 21, 31, 43, 57, 73, 91, 111):
        across, up = gap + w / 2, gap + h / 2
        found += [(across, 0), (-across, 0), (0, up), (0, -up)]
        found += [(sx * (gap * 0.7 + w / 2), sy * (gap * 0.7 + h / 2)) for sx in (1, -1) for sy in (1, -1)]
    return found


def _write(axes: "Axes", text: str, colour: str, centre: tuple[float, float], point: Any, box: Box) -> None:
    back = axes.transData.inverted()
    x, y = back.transform(centre)
    axes.text(x, y, text, color=colour, ha="center", va="center", gid="label", zorder=5)
    edge = (min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3]))
    if abs(edge[0] - point[0]) + abs(edge[1] - point[1]) > 14:
        start, end = back.transform(point), back.transform(edge)
        axes.plot([start[0], end[0]], [start[1], end[1]], color=LIGHT, linewidth=0.7, zorder=1)


def _size(axes: "Axes", text: str) -> tuple[float, float]:
    probe = axes.text(0, 0, text)
    extent = probe.get_window_extent()
    probe.remove()
    return float(extent.width), float(extent.height)


def _bar(axes: "Axes", bar: Box) -> Box:
    (x0, y0), (x1, y1) = axes.transData.transform([bar[:2], bar[2:]])
    return (min(x0, x1) - 1.5, min(y0, y1) - 1.5, max(x0, x1) + 1.5, max(y0, y1) + 1.5)


def _around(x: float, y: float, half_width: float, half_height: float) -> Box:
    return (x - half_width, y - half_height, x + half_width, y + half_height)


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _outside(box: Box, frame: Box) -> float:
    beyond = max(0.0, frame[0] - box[0]) + max(0.0, box[2] - frame[2])
    beyond += max(0.0, frame[1] - box[1]) + max(0.0, box[3] - frame[3])
    return 40 * beyond


def _inline(document: str, width: int, height: int) -> str:
    """The `<svg>` element of a whole SVG document, with names of its own, short numbers and the page's fonts."""
    body = document[document.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = body[body.index(">") + 1 :]
    body = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), body)
    body = re.sub(r"'DejaVu Sans'(, [^;\"]*)?", FONTS, body)
    mark = "f" + hashlib.blake2b(body.encode(), digest_size=5).hexdigest()
    body = re.sub(r'(\bid="|href="#|url\(#)', lambda found: f"{found[0]}{mark}-", body)
    body = re.sub(r"\n\s*", "\n", body)
    return f'<svg viewBox="0 0 {width} {height}" aria-hidden="true" focusable="false">{body}'
