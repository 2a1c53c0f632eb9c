"""The docs' table of the benchmark, made from the lines of its results file."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.tables import PAGE, Record, by_arm, read_latest, write_between

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
BEGIN, END = "<!-- made by python -m benchmarks.frames --table -->", "<!-- end of frames -->"

ARMS = {
    "none": "the mean over frames",
    "temporal_pool": "`temporal_pool`",
    "frame_gate": "`frame_gate`, then the mean",
}
LENGTHS = {"trained": "20 to 40", "100": "100", "300": "300"}


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
