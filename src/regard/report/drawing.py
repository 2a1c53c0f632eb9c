"""Style of the figures: one accent colour and greys, text that stays text, an SVG to embed in a page.

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

from regard.core.scores import PERCENT
from regard.report.numerals import MINUS

if TYPE_CHECKING:
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
        title: a few words; the page sets it above the panel.
        description: a description in words for screen readers.
        svg: an `<svg>` element, ready to embed in a page; it scales to the width available.
        width: its natural width, px.
    """

    title: str
    description: str
    svg: str
    width: int


@contextmanager
def panel(width: float, height: float, families: Sequence[str] = ()) -> Iterator["Canvas"]:
    """An empty canvas of width x height px; everything drawn inside the `with` block uses `STYLE`.

    Args:
        width: in px.
        height: in px.
        families: fonts, if the usual one lacks letters; see `lettering_for`.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    style = STYLE | ({"font.family": list(families)} if families else {})
    with mpl.rc_context(cast(Any, style)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        canvas = Canvas(figsize=(width / 72, height / 72), dpi=72)
        FigureCanvasAgg(canvas)
        yield canvas


def finish(canvas: "Canvas", title: str, description: str) -> Figure:
    """Converts the canvas to a `Figure`; call it inside `panel`."""
    import matplotlib as mpl

    file = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "regard"}):
        canvas.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    width, height = (round(float(side) * 72) for side in canvas.get_size_inches())
    svg = _inline(file.getvalue().decode(), width, height, title + description)
    return Figure(title=title, description=description, svg=svg, width=width)


def shorten(text: str, most: int = 22) -> str:
    """Shortens `text` to one line of at most `most` letters.

    >>> shorten("a class with a very long name")
    'a class with a very l…'
    """
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= most else line[: most - 1] + "…"


def text_width(canvas: "Canvas", text: str) -> float:
    """The width of a text, px."""
    probe = canvas.text(0, 0, text)
    width = float(probe.get_window_extent().width)
    probe.remove()
    return width


def unit_axis(axis: Any, unit: str) -> None:
    """Labels an axis in the score's unit: shares in per cent, other numbers unchanged."""
    from matplotlib.ticker import MaxNLocator

    if unit == PERCENT:
        percent_axis(axis)
    else:
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))


def percent_axis(axis: Any) -> None:
    """Labels an axis of shares in per cent, with a few round ticks."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}".replace("-", MINUS)))


def _inline(document: str, width: int, height: int, caption: str) -> str:
    """Extracts the `<svg>` element of an SVG document, with unique ids, rounded numbers and the page's fonts."""
    body = document[document.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = body[body.index(">") + 1 :]
    body = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), body)
    body = re.sub(r"'DejaVu Sans'(, [^;\"]*)?", FONTS, body)
    mark = "f" + hashlib.blake2b((caption + body).encode(), digest_size=5).hexdigest()
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', body))
    body = re.sub(r' id="([^"]*)"', lambda name: name[0] if name[1] in used else "", body)
    body = re.sub(r'(\bid="|href="#|url\(#)', lambda found: f"{found[0]}{mark}-", body)
    body = re.sub(r"\n\s*", "\n", body)
    return f'<svg viewBox="0 0 {width} {height}" aria-hidden="true" focusable="false">{body}'
