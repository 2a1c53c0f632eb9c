"""A contact sheet: some training pictures of every class, a class a row."""

import io

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize

from regard.core.seeding import generator
from regard.data import Pictures, Source

ROWS = 24
"""Classes on a sheet."""

COLUMNS = 10
"""Pictures of a class."""

_CELL = 0.8
_GAP = 0.08
_CAPTION = 2.1
_HEADER = 0.62
_DPI = 120


def contact_sheet(source: Source) -> bytes:
    """A PNG picture: a row for each class (the first 24) with its name and counts, and ten training pictures of it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    classes = source.classes[:ROWS]
    counts = source.counts()
    width = _CAPTION + COLUMNS * (_CELL + _GAP) + _GAP
    height = _HEADER + len(classes) * (_CELL + _GAP) + _GAP
    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    axes.text(_GAP * 2, 0.27, source.name, fontsize=13, weight="bold", va="center", parse_math=False)
    more = f", the first {ROWS} of {len(source.classes)} classes" if len(source.classes) > ROWS else ""
    below = f"training pictures{more}; under each name: pictures for {' / '.join(counts)}"
    axes.text(_GAP * 2, 0.49, below, fontsize=8.5, color="0.35", va="center")
    for row, label in enumerate(classes):
        top = _HEADER + row * (_CELL + _GAP)
        middle = top + _CELL / 2
        axes.text(_GAP * 2, middle - 0.1, _short(label), fontsize=10.5, va="center", parse_math=False)
        numbers = " / ".join(f"{split[row]:,}" for split in counts.values())
        axes.text(_GAP * 2, middle + 0.14, numbers, fontsize=8.5, color="0.35", va="center")
        for column, picture in enumerate(_examples(source.splits["train"], row)):
            left = _CAPTION + column * (_CELL + _GAP)
            pixels = picture.expand(3, -1, -1).permute(1, 2, 0).numpy()
            axes.imshow(pixels, extent=_fitted(picture, left, top), aspect="auto", interpolation="nearest")
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=_DPI)
    return out.getvalue()


def _examples(pictures: Pictures, label: int) -> list[Tensor]:
    """Up to ten pictures of a class, always the same ones."""
    labels = pictures.labels
    members = (labels == label if labels.ndim == 1 else labels[:, label] > 0).nonzero()[:, 0]
    order = torch.randperm(len(members), generator=generator("contact sheet", label))
    return [_reduced(pictures.read(int(i))) for i in members[order[:COLUMNS]]]


def _reduced(picture: Tensor) -> Tensor:
    """The picture with no more pixels than the sheet shows."""
    scale = _CELL * _DPI / max(picture.shape[1:])
    if scale >= 1:
        return picture
    size = [max(1, round(side * scale)) for side in picture.shape[1:]]
    reduced: Tensor = resize(picture, size, antialias=True)
    return reduced


def _fitted(picture: Tensor, left: float, top: float) -> tuple[float, float, float, float]:
    """Where the picture stands in its cell: left, right, bottom, top."""
    height, width = picture.shape[1:]
    scale = _CELL / max(height, width)
    x, y = left + (_CELL - width * scale) / 2, top + (_CELL - height * scale) / 2
    return x, x + width * scale, y + height * scale, y


def _short(text: str, most: int = 22) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
