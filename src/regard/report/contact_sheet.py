"""A contact sheet: some training images of every class, or frames of training clips, a class a row."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor
from torchvision.transforms.v2.functional import resize

from regard.report.fonts import Lettering, lettering_for

if TYPE_CHECKING:
    from matplotlib.text import Text

ROWS = 24
"""Classes on a sheet."""

COLUMNS = 10
"""Images of a class."""

_CELL = 0.8
_GAP = 0.08
_CAPTION = 2.1
_HEADER = 0.62
_DPI = 120


@dataclass(frozen=True, eq=False)
class ClassRow:
    """One class on the sheet.

    Attributes:
        name: of the class.
        counts: the number of its images, or clips, in each split.
        images: (c, h, w) uint8, up to ten.
    """

    name: str
    counts: Sequence[int]
    images: Sequence[Tensor]


def contact_sheet(
    title: str, splits: Sequence[str], rows: Sequence[ClassRow], classes: int, *, unit: str = "image"
) -> bytes:
    """A PNG image: a row for each class with its name, its counts, and some training images of it.

    Args:
        title: the name of the source.
        splits: the names of the splits, in the order of the counts.
        rows: the classes to show, at most `ROWS`.
        classes: the number of classes of the source.
        unit: the word for an example: `image`, or `clip`, of which the middle frame is shown.
    """
    import matplotlib as mpl

    lettering = lettering_for([title, *(row.name for row in rows)])
    with mpl.rc_context({"font.family": list(lettering.families)}):
        return _draw(title, _subtitle(splits, len(rows), classes, unit, lettering.remark), rows, lettering)


def _subtitle(splits: Sequence[str], shown: int, classes: int, unit: str, remark: str) -> str:
    examples = "training images" if unit == "image" else f"middle frames of training {unit}s"
    more = f", the first {shown} of {classes} classes" if classes > shown else ""
    said = f"{examples}{more}; under each name: {unit}s for {' / '.join(splits)}"
    return f"{said}. {remark}".removesuffix(". ")


def _draw(title: str, subtitle: str, rows: Sequence[ClassRow], lettering: Lettering) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width = _CAPTION + COLUMNS * (_CELL + _GAP) + _GAP
    height = _HEADER + len(rows) * (_CELL + _GAP) + _GAP
    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    axes.text(_GAP * 2, 0.27, lettering.write(title), fontsize=13, weight="bold", va="center", parse_math=False)
    axes.text(_GAP * 2, 0.49, subtitle, fontsize=8.5, color="0.35", va="center")
    for number, row in enumerate(rows):
        top = _HEADER + number * (_CELL + _GAP)
        middle = top + _CELL / 2
        name = axes.text(_GAP * 2, middle - 0.1, "", fontsize=10.5, va="center", parse_math=False)
        _fill(name, lettering.write(row.name))
        numbers = " / ".join(f"{count:,}" for count in row.counts)
        axes.text(_GAP * 2, middle + 0.14, numbers, fontsize=8.5, color="0.35", va="center")
        for column, image in enumerate(map(_reduce, row.images)):
            left = _CAPTION + column * (_CELL + _GAP)
            pixels = image.expand(3, -1, -1).permute(1, 2, 0).numpy()
            axes.imshow(pixels, extent=_extent(image, left, top), aspect="auto", interpolation="nearest")
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=_DPI)
    return out.getvalue()


def _reduce(image: Tensor) -> Tensor:
    """Resizes an image to at most the pixels that the sheet shows."""
    scale = _CELL * _DPI / max(image.shape[1:])
    if scale >= 1:
        return image
    size = [max(1, round(side * scale)) for side in image.shape[1:]]
    reduced: Tensor = resize(image, size, antialias=True)
    return reduced


def _extent(image: Tensor, left: float, top: float) -> tuple[float, float, float, float]:
    """The image's extent within its cell: left, right, bottom, top."""
    height, width = image.shape[1:]
    scale = _CELL / max(height, width)
    x, y = left + (_CELL - width * scale) / 2, top + (_CELL - height * scale) / 2
    return x, x + width * scale, y + height * scale, y


def _fill(caption: "Text", text: str) -> None:
    """Writes as much of the text as fits into the caption's width."""
    room = (_CAPTION - 3 * _GAP) * _DPI
    caption.set_text(text)
    while len(text) > 1 and caption.get_window_extent().width > room:
        text = text[:-1]
        caption.set_text(text + "…")
