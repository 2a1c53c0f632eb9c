"""The docs' tables of the benchmark, made from the lines of its results file."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.tables import Record, read_latest, write_between

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
DOCS = HERE.parents[1] / "docs"
PAGE, ASSETS = DOCS / "explanation" / "trained-gates.md", DOCS / "assets"
BEGIN, END = "<!-- made by python -m benchmarks.pretrained --table -->", "<!-- end of the tables -->"

MODES = {
    "trained": "as trained",
    "mean": "frozen at their mean",
    "same class": "of another image of the same class",
    "swapped": "of another image",
    "other class": "of an image of another class",
    "permuted": "own, permuted over channels",
    "mean permuted": "their mean, permuted over channels",
    "one number": "one number a layer, their mean",
    "neutral": "all at one",
}
"""The gates that a network is given, in the order of the tables, with their titles."""

ALONE = ("mean", "swapped", "permuted", "neutral")
"""Those that one layer alone is given."""

TASKS = ("lines", "pages")


def read_records(path: Path = RESULTS) -> dict[str, Record]:
    """The latest full result of each network, by task."""
    records = read_latest(path, lambda record: (record["task"], record["quick"]))
    return {record["task"]: record for record in records if not record["quick"]}


def find_mode(record: Record, mode: str) -> Record:
    """The accuracy of a mode from 0 to 1, and `drop`, which is None for the gates as trained."""
    if mode in record["replaced"]:
        return record["replaced"][mode]
    (row,) = (row for row in record["ablation"]["rows"] if row["mode"] == mode)
    return {"accuracy": sum(row["draws"]) / len(row["draws"]), "drop": row["drop"]}


def write_table(page: Path = PAGE, results: Path = RESULTS) -> None:
    """Writes the tables into their position on a page.

    Raises:
        RunError: the page lacks the markers.
    """
    write_between(page, BEGIN, END, table(read_records(results)))


def table(records: dict[str, Record]) -> str:
    """Tables in Markdown: all gates replaced, those of one layer replaced, what the gates are, and lines by width."""
    layers = [(task, layer) for task in TASKS if task in records for layer in records[task]["layers"]]
    parts = [_modes(records), _donors(records), _alone(layers), _statistics(layers), _widths(records)]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _modes(records: dict[str, Record]) -> list[str]:
    heads = [f"{_title(records, task)} right | points lost [95 %]" for task in TASKS]
    lines = [f"| all gates | {' | '.join(heads)} |", "| --- | --: | --: | --: | --: |"]
    for mode, title in MODES.items():
        cells = [cell for task in TASKS for cell in _cells(records.get(task), mode)]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def _title(records: dict[str, Record], task: str) -> str:
    return f"{records[task]['images']:,} {task}:" if task in records else f"{task}:"


def _cells(record: Record | None, mode: str) -> Sequence[str]:
    if record is None:
        return "not run", "-"
    found = find_mode(record, mode)
    return f"{100 * found['accuracy']:.1f} %", _drop(found["drop"])


def _drop(drop: Record | None) -> str:
    return "" if drop is None else f"{drop['points']:.1f} [{drop['low']:.1f}, {drop['high']:.1f}]"


def _donors(records: dict[str, Record]) -> list[str]:
    """A sentence on whose class images get with the gates of another class."""
    shares = [
        f"{100 * records[task]['replaced']['other class']['donors']:.1f} % of the {task}"
        for task in TASKS
        if task in records
    ]
    return [f"With the gates of an image of another class, {' and '.join(shares)} get that class."] if shares else []


def _widths(records: dict[str, Record]) -> list[str]:
    rows = [
        f"| {_range(row)} | {row['images']} | {100 * row['accuracy']:.1f} % | {_drop(row['drop'])} |"
        for task in TASKS
        if task in records
        for row in records[task]["widths"]
    ]
    head = "| lines, width over height | lines | right, as trained | points lost, gates frozen at their mean |"
    return [head, "| --- | --: | --: | --: |", *rows] if rows else []


def _range(row: Record) -> str:
    if row["from"] == 0:
        return f"under {row['to']}"
    return f"{row['from']} to {row['to']}" if row["to"] < 99 else f"{row['from']} and more"


def _alone(layers: Sequence[tuple[str, Record]]) -> list[str]:
    heads = " | ".join(MODES[mode] for mode in ALONE)
    lines = [f"| points lost by one layer's gates | {heads} |", "| --- | --: | --: | --: | --: |"]
    for task, layer in layers:
        lost = {row["mode"]: row["drop"] for row in layer["rows"]}
        lines.append(f"| {_name(task, layer)} | {' | '.join(_drop(lost[mode]) for mode in ALONE)} |")
    return lines


def _statistics(layers: Sequence[tuple[str, Record]]) -> list[str]:
    lines = [
        "| layer | channels | mean gate | std over channels | std over images | by class | by colour | by width | "
        "at 0 | at 1 |",
        f"| --- |{' --: |' * 9}",
    ]
    for task, layer in layers:
        means = [f"{layer[name]:.2f}" for name in ("mean", "over_channels", "over_images")]
        names = ("by_class", "by_colour", "by_width", "at_zero", "at_one")
        shares = [f"{100 * layer[name]:.0f} %" if name in layer else "-" for name in names]
        lines.append(f"| {_name(task, layer)} | {' | '.join((str(layer['channels']), *means, *shares))} |")
    return lines


def _name(task: str, layer: Record) -> str:
    return f"{task}, `{layer['path'].split('.')[0]}`"
