"""The figures of one layer of an explanation: its weights of positions and of channels."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from regard.report.drawing import GREY, panel, shorten
from regard.report.explanation_drawing import (
    MARGIN,
    MapView,
    TopChannels,
    channel_weights,
    draw_weights,
    encode_png,
    evenness_remark,
    fit_inside,
    place,
    show,
    strip_axes,
    write,
)
from regard.report.numerals import MINUS
from regard.report.overlays import COLOURS, Pixels, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def positions_figure(view: MapView, image: Pixels) -> bytes:
    """PNG: the image, the map over it, and the map by itself with its scale."""
    laid, values = view.laid, view.map.positions()
    assert laid is not None
    assert values is not None
    weights = values[0].numpy()
    side, tall = fit_inside(image, 220)
    with panel(3 * (side + MARGIN) + 80, tall + 110) as canvas:
        averaged = ", averaged over channels" if view.map.channels() is not None else ""
        _heading(
            canvas,
            view.name,
            f"Weights of {weights.shape[0]} × {weights.shape[1]} positions{averaged}: "
            f"{laid.caption}{evenness_remark(view)}, mean {weights.mean():.2f}; "
            f"{view.map.neutral:g} would change nothing.",
        )
        for i, title in enumerate(("Image", "Weights over the image", "Weights")):
            axes = place(canvas, MARGIN + i * (side + MARGIN), 84, side, tall)
            axes.set_title(title, fontsize=10, color=GREY, loc="left", pad=5)
            show(axes, (image, laid.pixels)[i]) if i < 2 else None
        shown = axes.imshow(weights, cmap=COLOURS, vmin=laid.low, vmax=laid.high, aspect="auto")
        strip_axes(axes)
        bar = canvas.colorbar(shown, cax=place(canvas, 3 * (side + MARGIN) + 8, 84, 10, tall))
        _scale(bar.ax, laid.low, laid.high)
        return encode_png(canvas)


def channels_figure(view: MapView) -> bytes:
    """PNG: the weights of all channels in order, and the features of the most active ones."""
    weights = channel_weights(view.map)
    active = view.active
    assert active is not None
    features = active.features
    columns = 0 if features is None or features.ndim != 3 else min(4, len(features))
    with panel(440 + columns * 112 + 12, 346) as canvas:
        _heading(canvas, view.name, _channel_sentence(view, weights))
        axes = place(canvas, 64, 76, 346, 236)
        chosen = active.channels.tolist()
        draw_weights(axes, view, weights, chosen)
        count = weights.shape[1]
        first = "weight" if len(weights) == 1 else "share of branch 0"
        axes.set_xlabel(f"{count} channels, the largest {first} first")
        axes.set_ylabel(first.split()[0])
        for i in range(2 * columns):
            if features is not None and i < len(features):
                corner = (446 + i % columns * 112, 88 + i // columns * 132)
                _feature(canvas, corner, features[i], _channel_label(active, i))
        if columns:
            note = "Features of the most active channels after rescaling, bright for large."
            write(canvas, 446, 70, shorten(note, 28 * columns), color=GREY, fontsize=9)
        return encode_png(canvas)


def _channel_sentence(view: MapView, weights: NDArray[np.float32]) -> str:
    count = weights.shape[1]
    if len(weights) > 1:
        return (
            f"Shares of {len(weights)} branches in {count} channels: {spread(weights.min(), weights.max())}; "
            f"{view.map.neutral:.2g} would be an equal share."
        )
    averaged = ", averaged over positions" if view.map.positions() is not None else ""
    return (
        f"Weights of {count} channels{averaged}: {spread(weights.min(), weights.max())}, mean {weights.mean():.2f}; "
        f"{view.map.neutral:g} would change nothing."
    )


def _channel_label(active: TopChannels, i: int) -> str:
    channel, weight = int(active.channels[i]), float(active.weights[i])
    if active.branches is None:
        return f"channel {channel}: {weight:.2f}"
    return f"{channel}: {weight:.2f} of branch {int(active.branches[i])}"


def _feature(canvas: "Figure", corner: tuple[float, float], values: NDArray[np.float32], label: str) -> None:
    """A channel's features with its label and their range."""
    x, y = corner
    side = 94
    width, height = fit_inside(values, side)
    axes = place(canvas, x, y, width, height)
    axes.imshow(values, cmap=COLOURS, aspect="auto", interpolation="nearest")
    strip_axes(axes)
    write(canvas, x, y + side + 11, label, fontsize=8.5)
    ends = spread(float(values.min()), float(values.max())).replace("-", MINUS)
    write(canvas, x, y + side + 22, ends, fontsize=8.5, color=GREY)


def _heading(canvas: "Figure", name: str, sentence: str) -> None:
    write(canvas, MARGIN, 28, name, fontsize=13)
    write(canvas, MARGIN, 48, sentence, fontsize=10, color=GREY)


def _scale(axes: "Axes", low: float, high: float) -> None:
    """The two ends of a colour bar and its middle, with as many digits as distinguish them."""
    ends = spread(low, high).split(" to ")
    if len(ends) == 1:
        axes.set_yticks([low], ends)
    else:
        digits = len(ends[0].partition(".")[2])
        axes.set_yticks([low, (low + high) / 2, high], [ends[0], f"{(low + high) / 2:.{digits}f}", ends[1]])
    axes.tick_params(length=0, labelsize=10)
    axes.spines["outline"].set_visible(False)
