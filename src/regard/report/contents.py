"""The rows of the report's tables as text, in the order in which they are read."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from regard.core.scores import PERCENT, Score
from regard.report.dependence import depends_on_input
from regard.report.figures import arm_labels
from regard.report.gallery import ActiveChannels, ArmOverlay, GalleryImage
from regard.report.map_figures import MODES
from regard.report.numerals import (
    change,
    count,
    duration,
    excess,
    percent,
    points,
    probability,
    ratio,
    score_value,
    short_count,
    size,
    unit_of_change,
    with_unit,
)
from regard.report.results import PLAIN, AblationRow, Arm, Comparison, Interval, Results, Timing
from regard.report.wording import blind_spot, dependence_sentence

MOST_CLASSES = 30


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A number with a smaller line of text under it."""

    main: str
    under: str = ""
    strong: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a table with its heading."""

    head: str
    under: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class ArmMaps:
    """The maps of one arm on every image: rows (tap, one entry an image); an entry is None where there is no map."""

    label: str
    maps: tuple[tuple[str, tuple[ArmOverlay | None, ...]], ...]
    channels: tuple[tuple[str, tuple[ActiveChannels | None, ...]], ...]


def compared_score(results: Results) -> Score | None:
    """The score by which arms are compared; None if nothing was scored."""
    found = [c.score for c in results.comparisons] or [t.val.scores.chosen for t in results.trials]
    return found[0] if found else None


def score_headings(results: Results) -> dict[str, str]:
    """Headings of the score and its differences in the tables."""
    score = compared_score(results)
    unit = score.unit if score else ""
    return {
        "title": (score.title if score else "score").capitalize(),
        "mean": with_unit("mean", unit),
        "minus": unit_of_change(unit),
    }


def result_groups(results: Results) -> tuple[tuple[str, tuple[Row, ...]], ...]:
    """The main table: the plain network, the mechanisms, the controls, each with its heading."""
    found = {c.arm: c for c in results.against()}
    plain = next((arm for arm in results.arms if arm.is_plain), None)
    groups = {
        "Plain": [arm for arm in results.arms if arm.is_plain],
        "Mechanisms": [arm for arm in results.arms if not (arm.is_plain or arm.is_control)],
        "Controls": [arm for arm in results.arms if arm.is_control],
    }
    labels = arm_labels(results)
    return tuple(
        (name, tuple(_result_row(arm, labels[arm.spec], found.get(arm.spec), plain) for arm in arms))
        for name, arms in groups.items()
        if arms
    )


def _result_row(arm: Arm, label: str, found: Comparison | None, plain: Arm | None) -> Row:
    more = excess(arm.parameters / plain.parameters) if plain and not arm.is_plain else ""
    cells = (
        *_comparison_cells(found),
        Cell(main=count(arm.parameters), under=more),
        Cell(main=short_count(arm.macs)),
        _time_cell(arm.inference, arm.is_plain, f"{arm.inference.milliseconds:.3g} ms" if arm.inference else ""),
        _time_cell(
            arm.training, arm.is_plain, f"{count(round(arm.training.images_per_second))}/s" if arm.training else ""
        ),
        Cell(main=ratio(arm.memory.ratio), under=size(arm.memory.bytes)) if arm.memory else Cell(main="–"),
    )
    return Row(head=label, under="" if label.lower() in (arm.spec, "plain") else arm.spec, cells=cells)


def _comparison_cells(found: Comparison | None) -> tuple[Cell, Cell, Cell]:
    if found is None:
        return Cell(main="–"), Cell(main="–"), Cell(main="–")
    unit = found.score.unit
    verdict = Cell(main="–")
    if found.verdict:
        detail = f"p\u00a0{probability(found.p)}" if found.verdict in ("better", "worse") else blind_spot(found)
        verdict = Cell(main=found.verdict, under=detail, strong=found.verdict in ("better", "worse"))
    return (
        Cell(main=score_value(found.score.value, unit), under=_range(found.interval, unit)),
        Cell(main=change(found.difference, unit), under=_difference_range(found.difference_interval, unit)),
        verdict,
    )


def _time_cell(timing: Timing | None, is_plain: bool, absolute: str) -> Cell:
    """A ratio with its quartiles under it, or the time itself for the plain network, whose ratio is 1."""
    if timing is None:
        return Cell(main="–")
    quartiles = " to ".join(ratio(end) for end in timing.ratio_quartiles)
    return Cell(main=ratio(timing.ratio), under=absolute if is_plain else quartiles)


def _range(interval: Interval | None, unit: str) -> str:
    """The interval of a mean; that of a share is clipped to 0 to 1."""
    if interval is None:
        return "one seed"
    low, high = (max(0.0, interval.low), min(1.0, interval.high)) if unit == PERCENT else (interval.low, interval.high)
    return f"{score_value(low, unit)} to {score_value(high, unit)}"


def _difference_range(interval: Interval | None, unit: str) -> str:
    """The interval of a difference; that of shares is clipped to -1 to 1."""
    if interval is None:
        return ""
    low, high = (max(-1.0, interval.low), min(1.0, interval.high)) if unit == PERCENT else (interval.low, interval.high)
    return f"{change(low, unit)} to {change(high, unit)}"


def against_controls(results: Results) -> tuple[tuple[str, tuple[Row, ...]], ...]:
    """For each reference other than the plain network: the arms compared with it, as rows of difference and verdict."""
    labels = arm_labels(results)
    references = dict.fromkeys(c.reference for c in results.comparisons if c.reference != PLAIN)
    tables = []
    for reference in references:
        found = [c for c in results.against(reference) if c.arm not in (reference, PLAIN)]
        rows = tuple(Row(head=labels[c.arm], under="", cells=_comparison_cells(c)[1:]) for c in found)
        tables.append((labels[reference], rows))
    return tuple(tables)


def recalls(results: Results) -> tuple[str, tuple[str, ...], tuple[Row, ...]]:
    """Recall of each class, the mean over the seeds of each arm.

    Returns:
        The split's name, the arms' labels, and one row a class: all, or the thirty with the lowest recall in the
        plain network.
    """
    split = results.comparisons[0].split if results.comparisons else "val"
    labels = arm_labels(results)
    means: dict[str, list[float]] = {}
    for arm in results.arms:
        scores = [t.test if split == "test" else t.val for t in results.trials if t.arm == arm.spec]
        tables = [s.recall for s in scores if s and s.recall]
        if tables:
            means[arm.spec] = [math.fsum(column) / len(column) for column in zip(*tables, strict=True)]
    names = results.settings.classes
    first = next(iter(means.values()), [])
    order = [k for k in range(len(first)) if not math.isnan(first[k])]
    kept = set(sorted(order, key=lambda k: first[k])[:MOST_CLASSES])
    rows = tuple(
        Row(head=names[k], under="", cells=tuple(Cell(main=percent(column[k])) for column in means.values()))
        for k in order
        if k in kept
    )
    return split, tuple(labels[spec] for spec in means), rows


def arm_maps(results: Results, images: Sequence[GalleryImage]) -> tuple[ArmMaps, ...]:
    """The maps of every arm that has some, in the order of the arms."""
    labels = arm_labels(results)
    found = []
    for arm in results.arms:
        maps = {(i, o.tap): o for i, p in enumerate(images) for o in p.overlays if o.arm == arm.spec}
        channels = {(i, a.tap): a for i, p in enumerate(images) for a in p.channels if a.arm == arm.spec}
        columns = range(len(images))
        one = ArmMaps(
            label=labels[arm.spec],
            maps=tuple((tap, tuple(maps.get((i, tap)) for i in columns)) for tap in _taps(maps)),
            channels=tuple((tap, tuple(channels.get((i, tap)) for i in columns)) for tap in _taps(channels)),
        )
        if one.maps or one.channels:
            found.append(one)
    return tuple(found)


def _taps(entries: dict[tuple[int, str], ArmOverlay] | dict[tuple[int, str], ActiveChannels]) -> list[str]:
    return list(dict.fromkeys(tap for _, tap in entries))


def ablation_table(results: Results) -> tuple[tuple[str, ...], tuple[Row, ...], tuple[str, ...]]:
    """The modes, one row an arm (and one with recomputed statistics), and a sentence about each arm."""
    labels = arm_labels(results)
    modes = tuple(mode for mode in MODES if any(row.mode == mode for row in results.ablations))
    kinds = dict.fromkeys((row.arm, row.renormalised) for row in results.ablations)
    rows = []
    for arm, renormalised in kinds:
        own = [row for row in results.ablations if row.arm == arm]
        trained = _mean([r for r in own if r.mode == "trained" and not r.renormalised])
        cells = tuple(
            _mode_cell([r for r in own if r.mode == mode and r.renormalised == renormalised], trained, mode)
            for mode in modes
        )
        rows.append(Row(head=labels[arm], under="statistics recomputed" if renormalised else "", cells=cells))
    sentences = tuple(dependence_sentence(one, labels[one.arm]) for one in depends_on_input(results.ablations))
    return modes, tuple(rows), sentences


def _mode_cell(rows: Sequence[AblationRow], trained: float | None, mode: str) -> Cell:
    accuracy = _mean(rows)
    if accuracy is None:
        return Cell(main="–")
    loss = points(accuracy - trained) if trained is not None and mode != "trained" else ""
    return Cell(main=percent(accuracy), under=loss)


def _mean(rows: Sequence[AblationRow]) -> float | None:
    values = [a for row in rows for a in row.accuracies]
    return math.fsum(values) / len(values) if values else None


def facts(results: Results) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """Settings and versions as headed lists of (name, value)."""
    s = results.settings
    size = s.run.input.options.get("size") or ()  # sounds have none
    splits = ", ".join(f"{count(s.data.used.get(k, 0))} of {count(n)} {k}" for k, n in s.data.available.items())
    images = [
        ("Source", s.source),
        (f"{s.example.capitalize()}s used", splits),
        *[("Classes", count(len(s.classes)))] * bool(s.classes),
        *[("Size", " × ".join(map(str, size)) + " px")] * bool(size),
        ("Fingerprint", (s.run.data.fingerprint if s.run.data else None) or "–"),
        (f"{s.data.unit.capitalize()}s found", count(s.data.found)),
        ("Left out", count(sum(entry.count for entry in s.data.left_out))),
    ]
    images += [("Licence", s.data.licence)] * bool(s.data.licence)
    work = [
        ("Network", s.run.network.name),
        ("Seeds", ", ".join(str(seed) for seed in s.seeds)),
        ("Device", s.device),
        ("Workers × threads", f"{s.workers} × {s.threads}"),
        ("Started", s.started.replace("T", " ")),
        ("Finished", s.finished.replace("T", " ")),
        ("Work", duration(s.seconds)),
    ]
    recipe = [(name.replace("_", " "), _plain_text(value)) for name, value in s.recipe.items()]
    return (
        (f"{s.example.capitalize()}s", tuple(images)),
        ("Run", tuple(work)),
        ("Recipe", tuple(recipe)),
        ("Versions", tuple(s.versions.items())),
    )


def _plain_text(value: object) -> str:
    words = {None: "–", True: "yes", False: "no"}
    return words[value] if value is None or isinstance(value, bool) else str(value)
