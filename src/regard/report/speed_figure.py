"""The figure of a bench: the time of each mechanism in copies of its input, ours and others'."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from regard.report.drawing import ACCENT, FAINT, GREY, INK, LIGHT, Figure, finish, panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH = 680
_ROW = 24
_TOP = 64
_BOTTOM = 44
_MARKS = ("o", "D", "s", "v")


@dataclass(frozen=True)
class SpeedRow:
    """The times of one mechanism.

    Attributes:
        mechanism: its name.
        copies: time in copies of the input by contestant, ours first; those that were not timed are left out.
    """

    mechanism: str
    copies: Mapping[str, float]


def draw_speed(panels: Mapping[str, Sequence[SpeedRow]]) -> Figure:
    """Draws a panel for each kind of pass, side by side on one logarithmic axis.

    Args:
        panels: rows by the title of their panel; the same contestants in all of them.
    """
    contestants = tuple(dict.fromkeys(name for rows in panels.values() for row in rows for name in row.copies))
    tallest = max(len(rows) for rows in panels.values())
    height = _TOP + _ROW * tallest + _BOTTOM
    highest = max(value for rows in panels.values() for row in rows for value in row.copies.values())
    with panel(_WIDTH, height) as canvas:
        for number, (title, rows) in enumerate(panels.items()):
            left, width = 0.09 + number * 0.91 / len(panels), 0.91 / len(panels) - 0.12
            axes = canvas.add_axes((left, _BOTTOM / height, width, _ROW * tallest / height))
            _draw_panel(axes, title, rows, contestants, highest)
        handles, labels = canvas.axes[0].get_legend_handles_labels()
        canvas.legend(handles[::-1], labels[::-1], loc="upper left", ncols=len(labels), frameon=False, fontsize=10)
        return finish(canvas, "Time in copies of the input", describe_speed(panels))


def describe_speed(panels: Mapping[str, Sequence[SpeedRow]]) -> str:
    """Describes the figure for those who do not see it.

    >>> describe_speed({"inference": [SpeedRow("se", {"regard": 1.5, "timm": 3.25})]})
    'inference: se takes regard 1.5, timm 3.2 copies.'
    """
    return " ".join(
        f"{title}: "
        + "; ".join(
            f"{row.mechanism} takes {', '.join(f'{name} {value:.1f}' for name, value in row.copies.items())} copies"
            for row in rows
        )
        + "."
        for title, rows in panels.items()
    )


def _draw_panel(axes: "Axes", title: str, rows: Sequence[SpeedRow], contestants: Sequence[str], highest: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.set_xlim(0.7, 1.4 * highest)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.axvline(1, color=LIGHT, linewidth=1)
    for number, row in enumerate(rows):
        values = list(row.copies.values())
        axes.plot([min(values), max(values)], [number, number], color=FAINT, linewidth=1.6, zorder=1)
    colours = (ACCENT, INK, GREY, LIGHT)
    for place, name in reversed(list(enumerate(contestants))):
        points = [(row.copies[name], number) for number, row in enumerate(rows) if name in row.copies]
        axes.plot(
            [x for x, _ in points],
            [y for _, y in points],
            linestyle="none",
            marker=_MARKS[place % len(_MARKS)],
            markersize=7 if place == 0 else 5.5,
            color=colours[place % len(colours)],
            label=name,
            zorder=3 if place == 0 else 2,
        )
    axes.set_yticks(range(len(rows)), [row.mechanism for row in rows])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title(title, fontsize=11, pad=6)
    axes.set_xlabel("copies of the input")
