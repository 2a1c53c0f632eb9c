"""The docs' table of the benchmark, made from the lines of its results file."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.tables import PAGE, Record, by_arm, read_latest, write_between

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
BEGIN, END = "<!-- made by python -m benchmarks.speaker --table -->", "<!-- end of speaker -->"

ARMS = {
    "none": "the mean over steps",
    "temporal_pool": "`temporal_pool`",
    "frame_gate": "`frame_gate` in every block",
    "se": "`se` in every block",
}


def read_records(path: Path = RESULTS) -> list[Record]:
    """The results, oldest first; a network that was run again counts once, by its latest line."""
    return read_latest(path, by_arm)


def write_table(page: Path = PAGE, results: Path = RESULTS) -> None:
    """Writes the table of the results into its place on a page.

    Raises:
        RunError: the page lacks the markers.
    """
    write_between(page, BEGIN, END, table(read_records(results)))


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
