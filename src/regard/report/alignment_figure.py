"""The figure of an alignment: which symbols of a source a network looked at while it wrote each of its answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regard.report.drawing import GREY, panel, shorten
from regard.report.explanation_drawing import MARGIN, encode_png, place, strip_axes, write
from regard.report.fonts import lettering_for

_CELL = 17
_LETTER = 7
_LONGEST = 14
_TOP = 66
_SPACE = "␣"


@dataclass(frozen=True, eq=False, kw_only=True)
class Alignment:
    """The weights of a source's symbols at each symbol of an answer.

    Attributes:
        name: of the map.
        weights: (t, s) of the s symbols of the source, for each of t symbols of the answer.
        source: the s symbols.
        target: the t symbols.
    """

    name: str
    weights: NDArray[np.float32]
    source: Sequence[str]
    target: Sequence[str]


def alignment_figure(alignment: Alignment, title: str) -> bytes:
    """PNG: a row for each symbol of the answer, a column for each symbol of the source, the darker the more weight."""
    lettering = lettering_for((*alignment.source, *alignment.target, title))
    columns, rows = (
        [shorten(lettering.write(_visible(symbol)), _LONGEST) for symbol in side]
        for side in (alignment.source, alignment.target)
    )
    tall = max(map(len, columns)) * _LETTER + 10
    left = MARGIN + max(map(len, rows)) * _LETTER + 10
    wide, high = _CELL * len(columns), _CELL * len(rows)
    width, height = max(left + wide + MARGIN, 420), _TOP + tall + high + MARGIN
    with panel(width, height, lettering.families) as canvas:
        write(canvas, MARGIN, 26, shorten(lettering.write(title), int(width / _LETTER) - 4), fontsize=12)
        peak = alignment.weights.max()
        write(canvas, MARGIN, 46, f"{alignment.name}: white is 0, the darkest {peak:.2f}", fontsize=9, color=GREY)
        axes = place(canvas, left, _TOP + tall, wide, high)
        axes.imshow(alignment.weights, cmap="Blues", vmin=0, vmax=max(float(peak), 1e-9), aspect="auto")
        strip_axes(axes)
        turned = 90 if max(map(len, columns)) > 1 else 0
        axes.xaxis.tick_top()
        axes.set_xticks(range(len(columns)), columns, fontsize=9, rotation=turned)
        axes.set_yticks(range(len(rows)), rows, fontsize=9)
        axes.tick_params(length=0)
        return encode_png(canvas)


def _visible(symbol: str) -> str:
    """The symbol, a mark in place of one that is only space."""
    return symbol if symbol.strip() else _SPACE * len(symbol)
