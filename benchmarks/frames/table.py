"""The docs' table of the benchmark, made from the lines of its results file."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from regard.core.errors import RunError
from regard.core.files import write_whole

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
PAGE = HERE.parents[1] / "docs" / "reference" / "benchmarks.md"
BEGIN, END = "<!-- made by python -m benchmarks.frames --table -->", "<!-- end of frames -->"

ARMS = {
    "none": "the mean over frames",
    "temporal_pool": "`temporal_pool`",
    "frame_gate": "`frame_gate`, then the mean",
}
LENGTHS = {"trained": "20 to 40", "100": "100", "300": "300"}

Record = dict[str, Any]


def read_records(path: Path = RESULTS) -> list[Record]:
    """The results, oldest first; a network that was run again with one seed counts once, by its latest line."""
    if not path.exists():
        return []
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return list({(record["arm"], record["quick"], record["seed"]): record for record in records}.values())


def write_table(page: Path = PAGE, results: Path = RESULTS) -> None:
    """Writes the table of the results between the markers of a page.

    Raises:
        RunError: the page lacks the markers.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise RunError(f"{page} has no room for the table: it needs the lines {BEGIN} and {END}.")
    write_whole(page, f"{before}{BEGIN}\n\n{table(read_records(results))}\n\n{END}{after}".encode())


def table(records: Sequence[Record]) -> str:
    """A row for each network in Markdown; the two-minute form where nothing longer was run."""
    columns = [f"accuracy, {frames} frames" for frames in LENGTHS.values()]
    columns += [f"pointing, {frames}" for frames in LENGTHS.values()]
    lines = ["| pooling | " + " | ".join([*columns, "epochs", "minutes"]) + " |", "| --- " + "| --: " * 8 + "|"]
    known = {record["arm"]: record for record in sorted(records, key=lambda record: not record["quick"])}
    for arm, title in {**ARMS, **{arm: f"`{arm}`" for arm in known if arm not in ARMS}}.items():
        lines.append(f"| {title} | {' | '.join(_cells(known.get(arm)))} |")
    return "\n".join(lines)


def _cells(record: Record | None) -> list[str]:
    if record is None:
        return ["not run", *["-"] * 7]
    cells = [
        "-" if record["test"][frames][measure] is None else f"{100 * record['test'][frames][measure]:.1f} %"
        for measure in ("accuracy", "pointing")
        for frames in LENGTHS
    ]
    return [*cells, f"{record['epochs']}{' (quick)' * record['quick']}", f"{record['minutes']:.0f}"]
