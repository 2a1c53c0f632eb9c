"""The figures of a comparison: differences, the score against cost, and training curves.

The mechanism in question is blue, the plain network black, the rest grey.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from regard.core.epochs import Epoch
from regard.core.scores import PERCENT, amount
from regard.report.drawing import (
    ACCENT,
    FAINT,
    GREY,
    INK,
    LIGHT,
    Figure,
    finish,
    panel,
    shorten,
    text_width,
    unit_axis,
)
from regard.report.labels import place_labels
from regard.report.numerals import change, unit_of_change, with_unit
from regard.report.results import Arm, Comparison, Results, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes


Limits = tuple[float, float]


def arm_labels(results: Results) -> dict[str, str]:
    """Labels of the arms in figures and tables, by spec: the name, or the spec where two arms share a name."""
    names = [arm.name for arm in results.arms]
    return {a.spec: "plain" if a.is_plain else a.name if names.count(a.name) == 1 else a.spec for a in results.arms}


def arm_colour(arm: Arm) -> str:
    """Black for the plain network, grey for a control, the accent for a mechanism."""
    return INK if arm.is_plain else GREY if arm.is_control else ACCENT


def paired_differences(results: Results) -> Figure | None:
    """Each arm's paired difference to the plain network with its interval; None if nothing was compared."""
    found = [c for c in results.against() if c.difference is not None]
    if not found:
        return None
    labels, score = arm_labels(results), found[0].score
    counted = unit_of_change(score.unit)
    height = 50 + 30 * len(found)
    with panel(340, height) as canvas:
        names = [shorten(labels[c.arm]) for c in found]
        left = (max(text_width(canvas, name) for name in names) + 10) / 340
        axes = canvas.add_axes((left, 40 / height, 0.96 - left, 1 - 44 / height))
        axes.axvline(0, color=INK, linewidth=1)
        for row, one in enumerate(found):
            _draw_difference(axes, row, one, arm_colour(results.arm(one.arm)))
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_yticks(range(len(found)), names)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.spines["left"].set_visible(False)
        unit_axis(axes.xaxis, score.unit)
        axes.set_xlabel(with_unit(f"{score.title} minus plain network", counted))
        title = "Difference from the plain network"
        description = (
            f"{labels[c.arm]} {change(c.difference, score.unit)} {counted}".rstrip() + f", {c.verdict}" for c in found
        )
        return finish(canvas, title, "Dots with intervals, one row an arm: " + "; ".join(description) + ".")


def _draw_difference(axes: "Axes", row: int, one: Comparison, colour: str) -> None:
    interval, middle = one.difference_interval, one.difference or 0.0
    if interval:
        most = 1.0 if one.score.unit == PERCENT else math.inf
        axes.plot([max(-most, interval.low), min(most, interval.high)], [row, row], color=colour, linewidth=1.4)
    filled = one.verdict in ("better", "worse")
    axes.plot([middle], [row], "o", color=colour, markerfacecolor=colour if filled else "white", markersize=7)


def _time_ratio(arm: Arm) -> float | None:
    return arm.inference.ratio if arm.inference else None


COSTS: tuple[tuple[str, str, Callable[[Arm], float | None]], ...] = (
    ("Inference time", "time of one batch, relative to plain", _time_ratio),
    ("Parameters", "parameters, thousands", lambda arm: arm.parameters / 1000),
    ("Multiply-adds", "multiply-adds of one image, millions", lambda arm: arm.macs / 1e6),
)


def score_against_cost(results: Results) -> tuple[Figure, ...]:
    """One panel for each cost that was measured: the mean score with its interval over the cost of every arm."""
    found = {c.arm: c for c in results.against()}
    arms = [arm for arm in results.arms if arm.spec in found]
    return tuple(
        _cost_panel(results, arms, found, title, label, [cost(arm) or 0.0 for arm in arms])
        for title, label, cost in COSTS
        if len(arms) > 1 and all(cost(arm) is not None for arm in arms)
    )


def _cost_panel(
    results: Results, arms: list[Arm], found: dict[str, Comparison], title: str, label: str, costs: list[float]
) -> Figure:
    labels, score = arm_labels(results), found[arms[0].spec].score
    with panel(340, 300) as canvas:
        axes = canvas.add_axes((0.135, 0.14, 0.83, 0.84))
        points = [(cost, found[arm.spec].score.value) for cost, arm in zip(costs, arms, strict=True)]
        bars = [_draw_bar(axes, arm, found[arm.spec], cost) for arm, cost in zip(arms, costs, strict=True)]
        for arm, (cost, height) in zip(arms, points, strict=True):
            if arm.is_plain:
                axes.axhline(height, color=FAINT, zorder=0)
                axes.axvline(cost, color=FAINT, zorder=0)
            marker = "D" if arm.is_plain else "o"
            face = "white" if arm.is_control else arm_colour(arm)
            axes.plot([cost], [height], marker, color=arm_colour(arm), markerfacecolor=face, markersize=6.5, zorder=4)
        low, high = min(costs), max(costs)
        edge = 0.18 * (high - low) or 0.05 * high or 1.0
        axes.set_xlim(low - edge, high + edge)
        axes.set_ylim(*_readable_limits(list(found.values()), [y for _, y in points]))
        unit_axis(axes.yaxis, score.unit)
        _few_ticks(axes)
        axes.set_xlabel(label)
        axes.set_ylabel(with_unit(f"{found[arms[0].spec].split} {score.title}", score.unit))
        texts = [shorten(labels[arm.spec]) for arm in arms]
        place_labels(axes, points, texts, [arm_colour(arm) for arm in arms], bars)
        description = (f"{t} {amount(y, score.unit)} at {x:.4g}" for t, (x, y) in zip(texts, points, strict=True))
        return finish(canvas, f"{title}", f"{score.title.capitalize()} over {label}: " + "; ".join(description) + ".")


def _draw_bar(axes: "Axes", arm: Arm, one: Comparison, cost: float) -> tuple[float, float, float, float]:
    interval, mean = one.interval, one.score.value
    low, high = (interval.low, interval.high) if interval else (mean, mean)
    if one.score.unit == PERCENT:
        low, high = max(0.0, low), min(1.0, high)
    axes.plot([cost, cost], [low, high], color=arm_colour(arm), linewidth=1, alpha=0.55, zorder=3)
    return (cost, low, cost, high)


def _readable_limits(found: list[Comparison], means: list[float]) -> Limits:
    """Limits that hold every interval, but no more than three times the range of the means beyond them."""
    share = found[0].score.unit == PERCENT
    least = 0.005 if share else 0.01 * max(map(abs, means))
    spread = max(max(means) - min(means), least)
    intervals = [c.interval for c in found if c.interval]
    low = max(min([i.low for i in intervals] + means), min(means) - 3 * spread)
    high = min(max([i.high for i in intervals] + means), max(means) + 3 * spread)
    if share:
        low, high = max(low, -0.02), min(high, 1.02)
    edge = 0.08 * (high - low) or 2 * least or 1.0
    return low - edge, high + edge


def _few_ticks(axes: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.ticklabel_format(axis="x", useOffset=False)


def training_curves(results: Results) -> tuple[Figure, ...]:
    """One panel an arm: the score of choice among the other arms above, training and validation loss below."""
    curves = {arm.spec: [t for t in results.trials if t.arm == arm.spec and t.history] for arm in results.arms}
    arms = [arm for arm in results.arms if curves[arm.spec]]
    labels = arm_labels(results)
    rows = [epoch for trials in curves.values() for trial in trials for epoch in trial.history]
    limits = (
        _pad_limits([_chosen_score(epoch) for epoch in rows]),
        _pad_limits([loss for epoch in rows for loss in (epoch.train_loss, _loss(epoch))]),
    )
    return tuple(_curve_panel(arm, curves, labels[arm.spec], limits) for arm in arms)


def _curve_panel(arm: Arm, curves: dict[str, list[Trial]], name: str, limits: tuple[Limits, Limits]) -> Figure:
    colour, score = arm_colour(arm), curves[arm.spec][0].val.scores.chosen
    has_loss = "loss" in curves[arm.spec][0].val.scores
    with panel(340, 330) as canvas:
        top, bottom = canvas.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (3, 2)})
        canvas.subplots_adjust(left=0.135, right=0.97, top=0.94, bottom=0.125, hspace=0.28)
        top.set_ylim(*limits[0])
        bottom.set_ylim(*limits[1])
        for spec, trials in curves.items():
            if spec != arm.spec:
                _draw_mean(
                    top, trials, _chosen_score, INK if spec == "none" else LIGHT, 1.0, zorder=2 + (spec == "none")
                )
        for trial in curves[arm.spec]:
            _draw_mean(top, [trial], _chosen_score, colour, 0.7, alpha=0.6, zorder=4)
        _draw_mean(top, curves[arm.spec], _chosen_score, colour, 2.2, zorder=5)
        _draw_mean(bottom, curves[arm.spec], lambda epoch: epoch.train_loss, colour, 2.0, zorder=3)
        _draw_mean(bottom, curves[arm.spec], _loss, colour, 1.4, zorder=3, linestyle=(0, (4, 2)))
        unit_axis(top.yaxis, score.unit)
        _mark_epochs(bottom, max(len(t.history) for t in curves[arm.spec]))
        _heading(top, with_unit(f"validation {score.title}", score.unit))
        _heading(bottom, "loss: training, validation dashed" if has_loss else "training loss")
        bottom.set_xlabel("epoch")
        last = curves[arm.spec][0].history[-1]
        final = amount(_final_score(curves[arm.spec]), score.unit)
        description = f"{name}: after {last.epoch} epochs validation {score.title} {final}."
        return finish(canvas, name, description)


def _chosen_score(epoch: Epoch) -> float:
    """The score of choice on validation; NaN without validation."""
    return epoch.val.chosen.value if epoch.val else math.nan


def _loss(epoch: Epoch) -> float:
    """The loss on validation; NaN where it is no score."""
    return epoch.val["loss"] if epoch.val and "loss" in epoch.val else math.nan


def _draw_mean(
    axes: "Axes", trials: list[Trial], value: Callable[[Epoch], float], colour: str, width: float, **style: Any
) -> None:
    """Draws the mean over trials of one number of their histories, over the epochs that all of them have."""
    rows = list(zip(*(t.history for t in trials), strict=False))
    if not rows:
        return
    means = [sum(value(epoch) for epoch in row) / len(row) for row in rows]
    marker = "o" if len(rows) < 6 and width > 1.2 else None
    axes.plot(
        [row[0].epoch for row in rows], means, color=colour, linewidth=width, marker=marker, markersize=4, **style
    )


def _pad_limits(values: list[float]) -> Limits:
    finite = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
    edge = 0.05 * (max(finite) - min(finite)) or 0.01
    return min(finite) - edge, max(finite) + edge


def _mark_epochs(axes: "Axes", count: int) -> None:
    from matplotlib.ticker import MaxNLocator

    if count == 1:
        axes.set_xticks([1])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(min(count, 6), integer=True))


def _heading(axes: "Axes", text: str) -> None:
    axes.set_title(text, fontsize=11, color=GREY, pad=4)


def _final_score(trials: list[Trial]) -> float:
    return sum(_chosen_score(t.history[-1]) for t in trials) / len(trials)
