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
BEGIN, END = "<!-- made by python -m benchmarks.speaker --table -->", "<!-- end of speaker -->"

ARMS = {
    "none": "the mean over steps",
    "temporal_pool": "`temporal_pool`",
    "frame_gate": "`frame_gate` in every block",
    "se": "`se` in every block",
}

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
    """A row for each arm in Markdown: means over seeds of the full runs, and the lowest accuracy."""
    lines = [
        "| attention | test accuracy | lowest | validation | parameters | seeds | minutes each |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    full = [record for record in records if not record["quick"]]
    for arm, title in {**ARMS, **{one["arm"]: f"`{one['arm']}`" for one in full if one["arm"] not in ARMS}}.items():
        runs = [record for record in full if record["arm"] == arm]
        lines.append(f"| {title} | {' | '.join(_cells(runs))} |")
    return "\n".join(lines)


def _cells(runs: Sequence[Record]) -> list[str]:
    if not runs:
        return ["not run", *["-"] * 5]
    return [
        f"{100 * _mean(runs, 'test'):.2f} %",
        f"{100 * min(run['test'] for run in runs):.2f} %",
        f"{100 * _mean(runs, 'validation'):.2f} %",
        f"{runs[0]['parameters']:,}",
        str(len(runs)),
        f"{_mean(runs, 'minutes'):.1f}",
    ]


def _mean(runs: Sequence[Record], name: str) -> float:
    return sum(run[name] for run in runs) / len(runs)
