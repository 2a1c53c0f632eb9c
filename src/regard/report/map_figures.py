"""The figures of maps: channel gates by class and layer, and accuracy under ablation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from regard.report.drawing import ACCENT, FAINT, GREY, INK, LIGHT, Figure, finish, panel, percent_axis, shorten
from regard.report.figures import arm_labels
from regard.report.results import AblationRow, GateProfile, Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MODES = {
    "trained": "as trained",
    "mean": "frozen at the mean",
    "swapped": "another image's",
    "permuted": "shuffled",
    "neutral": "neutral",
}
MOST_LAYERS = 6
ALIKE = 0.005
LEAST_SPAN = 0.2
MOST_CLASSES = 12
MOST_CHANNELS = 160


def shown_profiles(results: Results) -> dict[str, tuple[GateProfile, ...]]:
    """For each arm with channel maps the profiles to draw: of its first seed, at most six layers, evenly spaced."""
    shown = {}
    for arm in results.arms:
        own = [p for p in results.gate_profiles if p.arm == arm.spec]
        own = [p for p in own if p.seed == own[0].seed]
        if own:
            shown[arm.spec] = tuple(own[i] for i in _spaced_indices(len(own), MOST_LAYERS))
    return shown


def gate_panels(results: Results, arm: str) -> tuple[Figure, ...]:
    """One panel for each layer of an arm: the gate of every channel, one line a class, all with the same axes."""
    profiles = shown_profiles(results).get(arm, ())
    if not profiles:
        return ()
    values = [v for p in profiles for row in (*p.by_class, p.overall) for v in row if v == v]
    edge = max(0.04 * (max(values) - min(values)), (LEAST_SPAN - (max(values) - min(values))) / 2)
    classes = results.settings.classes
    return tuple(_gate_panel(p, classes, (min(values) - edge, max(values) + edge)) for p in profiles)


def most_different_class(profile: GateProfile) -> int:
    """The class whose mean map differs most from the overall one, by root mean square over channels."""
    return _order_by_difference(profile)[0]


def _order_by_difference(profile: GateProfile) -> list[int]:
    def difference(k: int) -> float:
        gaps = [(a - b) ** 2 for a, b in zip(profile.by_class[k], profile.overall, strict=True) if a == a]
        return sum(gaps) / max(1, len(gaps))

    return sorted(range(len(profile.by_class)), key=difference, reverse=True)


def _gate_panel(profile: GateProfile, classes: Sequence[str], limits: tuple[float, float]) -> Figure:
    from matplotlib.ticker import MaxNLocator

    order = sorted(range(len(profile.overall)), key=lambda c: -profile.overall[c])
    order = [order[i] for i in _spaced_indices(len(order), MOST_CHANNELS)]
    ranked = _order_by_difference(profile)[:MOST_CLASSES]
    name = shorten(classes[ranked[0]], 36)
    gap = max(abs(a - b) for a, b in zip(profile.by_class[ranked[0]], profile.overall, strict=True))
    with panel(340, 205) as canvas:
        axes = canvas.add_axes((0.13, 0.19, 0.84, 0.71))
        for k in reversed(ranked):
            first = k == ranked[0]
            line = [profile.by_class[k][c] for c in order]
            axes.plot(line, color=ACCENT if first else LIGHT, linewidth=1.4 if first else 0.7, zorder=3 if first else 2)
        axes.plot([profile.overall[c] for c in order], color=INK, linewidth=1.6, zorder=4)
        axes.set_ylim(*limits)
        axes.set_xlim(0, max(1, len(order) - 1))
        axes.set_xticks([])
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlabel(f"{len(profile.overall)} channels, by mean gate")
        label, colour = (name, ACCENT) if gap >= ALIKE else ("all classes alike", GREY)
        axes.text(1, 1.03, label, color=colour, ha="right", va="bottom", transform=axes.transAxes)
        description = f"Mean gates from {min(profile.overall):.2f} to {max(profile.overall):.2f}; "
        description += (
            f"the class that differs most, {name}, is up to {gap:.2f} away." if gap >= ALIKE else "all classes alike."
        )
        return finish(canvas, profile.tap, description)


def ablation_panels(results: Results) -> tuple[Figure, ...]:
    """One panel an arm: accuracy in each mode, a dot a draw and seed, with recomputed statistics hollow."""
    arms = tuple(dict.fromkeys(row.arm for row in results.ablations))
    accuracies = [a for row in results.ablations for a in row.accuracies]
    if not accuracies:
        return ()
    edge = 0.06 * (max(accuracies) - min(accuracies)) or 0.01
    limits = (min(accuracies) - edge, max(accuracies) + edge)
    labels = arm_labels(results)
    return tuple(_ablation_panel([r for r in results.ablations if r.arm == arm], labels[arm], limits) for arm in arms)


def _ablation_panel(rows: Sequence[AblationRow], name: str, limits: tuple[float, float]) -> Figure:
    modes = [mode for mode in MODES if any(row.mode == mode for row in rows)]
    height = 48 + 22 * len(modes)
    with panel(340, height) as canvas:
        axes = canvas.add_axes((0.4, 40 / height, 0.57, 1 - 46 / height))
        trained = [a for r in rows if r.mode == "trained" and not r.renormalised for a in r.accuracies]
        if trained:
            axes.axvline(sum(trained) / len(trained), color=LIGHT, linewidth=1, zorder=1)
        for row in rows:
            _draw_dots(axes, modes.index(row.mode), row)
        axes.set_ylim(len(modes) - 0.5, -0.5)
        axes.set_xlim(*limits)
        axes.set_yticks(range(len(modes)), [MODES[mode] for mode in modes])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.spines["left"].set_visible(False)
        for y in range(len(modes)):
            axes.axhline(y, color=FAINT, linewidth=0.8, zorder=0)
        percent_axis(axes.xaxis)
        axes.set_xlabel("validation accuracy, %")
        description = (f"{MODES[r.mode]} {100 * sum(r.accuracies) / len(r.accuracies):.1f} %" for r in rows)
        return finish(canvas, name, "Validation accuracy: " + "; ".join(description) + ".")


def _draw_dots(axes: "Axes", y: int, row: AblationRow) -> None:
    evidence = row.mode in ("trained", "mean", "swapped")
    colour = ACCENT if evidence else GREY
    heights = [y + (0.18 if row.renormalised else 0.0)] * len(row.accuracies)
    face = "white" if row.renormalised else colour
    axes.plot(
        row.accuracies, heights, "o", color=colour, markerfacecolor=face, markersize=6, linestyle="none", zorder=3
    )


def _spaced_indices(count: int, most: int) -> list[int]:
    """At most `most` of the numbers below `count`, evenly spaced, the first and the last included."""
    if count <= most:
        return list(range(count))
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]
