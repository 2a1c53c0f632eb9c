"""The docs' figures of the benchmark."""

from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from benchmarks.pretrained.table import ALONE, MODES, TASKS, find_mode
from benchmarks.tables import Record

COLOURS = ("#0b6e8a", "#d9722e", "#6a4c93", "#5a8f29")
SHOWN = (("lines", "se2"), ("lines", "se8"), ("lines", "se9"), ("pages", "se1"), ("pages", "se2"))
"""The layers whose gates are drawn: of lines an early one and the last two, of pages both."""


def draw_ablations(records: dict[str, Record], out: Path) -> None:
    """Draws the accuracy with each replacement of the gates, and the points that each layer alone loses."""
    figure = Figure(figsize=(9, 6.6), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.25, 1))
    for axes, task in zip(above.subplots(1, 2, sharey=True), TASKS, strict=True):
        _draw_modes(axes, records[task], COLOURS[TASKS.index(task)])
    _draw_layers(below.subplots(), records)
    figure.savefig(out, dpi=110)


def _draw_modes(axes: Any, record: Record, colour: str) -> None:
    found = [find_mode(record, mode) for mode in MODES]
    positions, heights = range(len(MODES)), [100 * one["accuracy"] for one in found]
    errors = [_errors(height, one["drop"]) for height, one in zip(heights, found, strict=True)]
    axes.barh(positions, heights, color=colour, height=0.7)
    axes.errorbar(heights, positions, xerr=list(zip(*errors, strict=True)), fmt="none", color="#333333", linewidth=1)
    chance = 100 / len(record["classes"])
    axes.axvline(chance, color="#888888", linewidth=0.9, linestyle=":")
    axes.text(chance + 1, -0.62, "chance", fontsize=7, color="#666666", va="center")
    axes.set_yticks(positions, MODES.values())
    axes.set_ylim(len(MODES) - 0.5, -0.9)
    axes.set_xlim(0, 103)
    axes.set_xlabel("right, %", fontsize=8)
    axes.set_title(f"{record['images']:,} {record['task']}, {record['network']}", fontsize=9)
    _plain(axes)


def _errors(height: float, drop: Record | None) -> tuple[float, float]:
    """The lengths of an accuracy's bar to the left and right, that of the loss; no accuracy is over 100 %."""
    if drop is None:
        return 0.0, 0.0
    return max(0.0, drop["high"] - drop["points"]), min(100 - height, max(0.0, drop["points"] - drop["low"]))


def _draw_layers(axes: Any, records: dict[str, Record]) -> None:
    layers = [(task, layer) for task in TASKS for layer in records[task]["layers"]]
    middles = [n + 0.6 * TASKS.index(task) for n, (task, _) in enumerate(layers)]
    for number, mode in enumerate(ALONE):
        points = [next(r["drop"]["points"] for r in layer["rows"] if r["mode"] == mode) for _, layer in layers]
        colour = ("#999999", *COLOURS[:3])[number]
        axes.bar([x + 0.2 * (number - 1.5) for x in middles], points, 0.18, color=colour, label=MODES[mode])
    axes.set_xticks(middles, [f"{task}\n{layer['path'].split('.')[0]}" for task, layer in layers])
    axes.axhline(0, color="#333333", linewidth=0.8)
    axes.set_ylabel("points lost", fontsize=8)
    axes.set_title("the gates of one layer replaced, the others as trained", fontsize=9)
    axes.legend(fontsize=8, frameon=False)
    _plain(axes)


def draw_gates(records: dict[str, Record], runs: Path, out: Path) -> None:
    """Draws the mean gate of each channel by class, channels in the order of their mean."""
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    panels = list(figure.subplots(2, 3, sharey=True).flat)
    for axes, (task, layer) in zip(panels, SHOWN, strict=False):
        gates = torch.load(runs / f"{task}.pt", weights_only=True)[f"{layer}.gate"]
        order = gates["mean"].mean(0).argsort(descending=True)
        mean, std = gates["mean"][:, order], gates["std"][order]
        low, high = ((mean.mean(0) + sign * std).clamp(0, 1) for sign in (-1, 1))
        axes.fill_between(range(len(order)), low, high, color="#e0e0e0", linewidth=0)
        for label, row in enumerate(mean):
            name = records[task]["classes"][label]
            label_text = f"{name}°" if name.isdigit() else name
            axes.scatter(range(len(order)), row, s=9 if len(order) < 50 else 3, color=COLOURS[label], label=label_text)
        axes.set_title(f"{task}, {layer}", fontsize=9)
        axes.set_xlabel("channel, by its mean gate", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.set_ylim(-0.02, 1.02)
        _plain(axes)
    _draw_legends(panels[5], {"lines": panels[0], "pages, turned by": panels[3]})
    figure.savefig(out, dpi=110)


def _draw_legends(axes: Any, panels: dict[str, Any]) -> None:
    axes.axis("off")
    style = {"fontsize": 8, "title_fontsize": 8, "frameon": False, "alignment": "left", "markerscale": 2.0}
    legends = [
        axes.legend(*panel.get_legend_handles_labels(), title=title, loc=corner, **style)
        for corner, (title, panel) in zip(("upper left", "upper right"), panels.items(), strict=True)
    ]
    axes.add_artist(legends[0])  # the second one took its place
    axes.text(
        0,
        0.05,
        "dots: mean over the images of a class\ngrey: one standard deviation over all\nimages, both ways",
        fontsize=8,
    )


def copy_explanation(summary: Path, out: Path) -> None:
    """Copies a figure of `regard explain`, reduced in size and colours."""
    with Image.open(summary) as image:
        small = image.convert("RGB").resize((image.width * 2 // 3, image.height * 2 // 3), Image.Resampling.LANCZOS)
        small.quantize(128, dither=Image.Dither.NONE).save(out, optimize=True)


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
