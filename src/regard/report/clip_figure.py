"""Figures of attention over time: a contact sheet of a clip with its weights, and a curve over a sound."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from regard.report.drawing import ACCENT, GREY, LIGHT, panel, shorten
from regard.report.explanation_drawing import MARGIN, encode_png, fit_inside, place, show, strip_axes, write
from regard.report.fonts import lettering_for
from regard.report.overlays import enlarge, overlay

SHOWN = 48
"""The most frames on a sheet; of a longer clip those with the greatest weights are shown."""

_COLUMNS = 12
_CELL = 84
_GAP = 10
_BAR = 26
_TOP = 66
_LETTER = 7
_WIDE, _PICTURE, _CURVE = 760, 190, 110

Weights = NDArray[np.float32]


def clip_sheet(
    title: str,
    name: str,
    frames: Tensor,
    *,
    numbers: Sequence[int] = (),
    weights: Weights | None = None,
    spatial: Tensor | None = None,
) -> bytes:
    """PNG: the frames of a clip in order, each with its weight as a bar and a number, and its map of positions.

    Args:
        title: what the network answered.
        name: of the map.
        frames: (c, t, h, w) uint8.
        numbers: of the frames in the whole clip; by default from 0 on.
        weights: (n, t) of n heads, whose means are drawn; None without.
        spatial: (t, h, w) weights of positions, drawn over the frames on one scale; None without.
    """
    means = None if weights is None else weights.mean(0)
    chosen = _choose(frames.shape[1], means)
    wide, high = fit_inside(frames[0, 0].numpy(), _CELL)
    rows = -(-len(chosen) // _COLUMNS)
    tall = high + _GAP + (0 if means is None else _BAR) + 14
    caption = _caption(name, means, spatial, len(chosen), frames.shape[1])
    width = max(MARGIN * 2 + min(_COLUMNS, len(chosen)) * (_CELL + _GAP), MARGIN * 2 + len(caption) * 5, 420)
    lettering = lettering_for((title, name))
    low, high_weight = (0.0, 1.0) if spatial is None else (float(spatial.min()), float(spatial.max()))
    with panel(width, _TOP + rows * tall + MARGIN, lettering.families) as canvas:
        write(canvas, MARGIN, 26, shorten(lettering.write(title), int(width / _LETTER) - 4), fontsize=12)
        write(canvas, MARGIN, 46, caption, fontsize=9, color=GREY)
        for position, frame in enumerate(chosen):
            x = MARGIN + position % _COLUMNS * (_CELL + _GAP)
            y = _TOP + position // _COLUMNS * tall
            image = frames[:, frame]
            laid = spatial if spatial is None else overlay(image, spatial[frame], low=low, high=high_weight)
            show(place(canvas, x, y, wide, high), enlarge(image) if laid is None else laid.pixels)
            number = str(numbers[frame] if numbers else frame)
            write(canvas, x, y + high + 11, number, fontsize=8, color=GREY)
            if means is not None:
                _draw_bar(canvas, x, y + high, wide, float(means[frame]), float(means.max()))
        return encode_png(canvas)


def sound_curve(title: str, name: str, values: Tensor, weights: Weights, *, seconds: float | None = None) -> bytes:
    """PNG: a sound or series as an image of its channels over time, and the weights of its frames below as a curve.

    Args:
        title: what the network answered.
        name: of the map.
        values: (c, t) log-mel bands, or the channels of a series.
        weights: (n, t') of n heads, a line each; a network may have fewer steps than the sound has frames.
        seconds: from frame to frame; None where they have no duration, and the axis counts steps.
    """
    scale = 1.0 if seconds is None else seconds
    end = values.shape[1] * scale
    lettering = lettering_for((title, name))
    with panel(_WIDE + 2 * MARGIN + 30, _TOP + _PICTURE + _CURVE + 62, lettering.families) as canvas:
        write(canvas, MARGIN, 26, shorten(lettering.write(title), int(_WIDE / _LETTER) - 4), fontsize=12)
        caption = f"{name}: weights of the frames below, the greatest {weights.max():.3f}"
        write(canvas, MARGIN, 46, caption, fontsize=9, color=GREY)
        image = place(canvas, MARGIN + 30, _TOP, _WIDE, _PICTURE)
        image.imshow(values.numpy(), aspect="auto", origin="lower", cmap="magma", extent=(0, end, 0, len(values)))
        strip_axes(image)
        curve = place(canvas, MARGIN + 30, _TOP + _PICTURE + 10, _WIDE, _CURVE)
        steps = (np.arange(weights.shape[1]) + 0.5) * end / weights.shape[1]
        for head, line in enumerate(weights):
            curve.plot(steps, line, color=ACCENT if head == 0 else GREY, linewidth=1.4)
        if len(weights) == 1:
            curve.fill_between(steps, 0, weights[0], color=LIGHT)
        curve.set_xlim(0, end)
        curve.set_ylim(0, max(1.05 * float(weights.max()), 1e-9))
        curve.set_xlabel("seconds" if seconds is not None else "steps", fontsize=9)
        curve.tick_params(labelsize=8)
        return encode_png(canvas)


def _choose(count: int, weights: Weights | None) -> list[int]:
    """The frames on the sheet, in order: all, or those with the greatest weights, or evenly spread ones."""
    if count <= SHOWN:
        return list(range(count))
    if weights is None:
        return [number * count // SHOWN for number in range(SHOWN)]
    return sorted(np.argsort(-weights, kind="stable")[:SHOWN].tolist())


def _caption(name: str, weights: Weights | None, spatial: Tensor | None, shown: int, count: int) -> str:
    parts = [name]
    if weights is not None:
        parts.append(f"weights of frames {weights.min():.3f} to {weights.max():.3f}")
    if spatial is not None:
        parts.append(f"weights of positions {float(spatial.min()):.3f} (dark) to {float(spatial.max()):.3f} (bright)")
    if shown < count:
        parts.append(
            f"{shown} of {count} frames, {'evenly spread' if weights is None else 'those with the greatest weights'}"
        )
    return "; ".join(parts)


def _draw_bar(canvas: object, x: float, y: float, wide: float, weight: float, greatest: float) -> None:
    """A bar under a frame, as long as the frame is wide where the weight is the clip's greatest, and the weight."""
    axes = place(canvas, x, y + 16, wide, 7)  # type: ignore[arg-type]
    axes.barh([0], [weight], color=ACCENT, height=1)
    axes.set_xlim(0, max(greatest, 1e-9) if math.isfinite(greatest) else 1)
    axes.set_ylim(-0.5, 0.5)
    strip_axes(axes)
    write(canvas, x, y + 34, f"{weight:.3f}", fontsize=8)  # type: ignore[arg-type]
