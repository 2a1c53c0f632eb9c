"""The figure of a text about an image: for each symbol that was written, where the network looked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, from_numpy

from regard.core.vocabulary import END, SPECIAL
from regard.report.drawing import GREY, INK, panel, shorten
from regard.report.explanation_drawing import MARGIN, encode_png, fit_inside, place, show, write
from regard.report.fonts import lettering_for
from regard.report.overlays import enlarge, overlay

_TALL = 150
_GAP = 14
_LINE = 18
_TOP = 76
_WIDEST = 1100
_LETTER = 7
_SPACE = "␣"


@dataclass(frozen=True, eq=False, kw_only=True)
class StepMaps:
    """The weights of an image's positions at each symbol of a text.

    Attributes:
        name: of the map.
        weights: (t, h, w) of the positions, for each of t symbols.
        target: the t symbols.
    """

    name: str
    weights: NDArray[np.float32]
    target: Sequence[str]


def steps_figure(maps: StepMaps, image: Tensor, title: str) -> bytes:
    """PNG: the image, then the image under the map of each symbol, all on one scale.

    Args:
        maps: a map for each symbol.
        image: (c, h, w) uint8, as the network saw it.
        title: of the figure.
    """
    lettering = lettering_for((*maps.target, title))
    pixels = enlarge(image, 224)
    wide, tall = fit_inside(pixels, _TALL)
    cells = len(maps.target) + 1
    columns = max(1, min(cells, int((_WIDEST - 2 * MARGIN) // (wide + _GAP))))
    rows = -(-cells // columns)
    width = max(2 * MARGIN + columns * (wide + _GAP), 420)
    height = _TOP + rows * (tall + _LINE + _GAP) + MARGIN
    low, peak = float(maps.weights.min()), float(maps.weights.max())
    with panel(width, height, lettering.families) as canvas:
        write(canvas, MARGIN, 26, shorten(lettering.write(title), int(width / _LETTER) - 4), fontsize=12)
        note = f"{maps.name}: dark is {low:.3f}, bright {peak:.3f}"
        write(canvas, MARGIN, 46, shorten(note, int(width / 6) - 4), fontsize=9, color=GREY)
        for cell in range(cells):
            left = MARGIN + cell % columns * (wide + _GAP)
            top = _TOP + cell // columns * (tall + _LINE + _GAP)
            if cell == 0:
                label, shown = "image", pixels
            else:
                label = _visible(maps.target[cell - 1])
                shown = overlay(image, from_numpy(maps.weights[cell - 1]), low=low, high=peak).pixels
            colour = GREY if cell == 0 else INK
            write(canvas, left, top - 5, shorten(lettering.write(label), 22), fontsize=11, color=colour)
            show(place(canvas, left, top, wide, tall), shown)
        return encode_png(canvas)


def _visible(symbol: str) -> str:
    """The symbol, with a mark in place of one that is only space, and a word in place of the end."""
    if symbol == SPECIAL[END]:
        return "(end)"
    return symbol if symbol.strip() else _SPACE * len(symbol)
