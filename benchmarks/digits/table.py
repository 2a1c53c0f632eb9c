"""The docs' table of the benchmark, made from the lines of its results file."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.tables import PAGE, Record, by_arm, read_latest, write_between

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
BEGIN, END = "<!-- made by python -m benchmarks.digits --table -->", "<!-- end of digits -->"

ARMS: dict[str, str | None] = {
    "additive": "additive:start=random",
    "sca_cnn": "sca_cnn:hidden=64",
    "hard_spatial": "hard_spatial:semi=0.5,hidden=128",
    "none": None,
}
"""The mechanisms, with their options."""

NAMES = {
    "additive": "`additive` (soft)",
    "sca_cnn": "`sca_cnn`, by the decoder's state",
    "hard_spatial": "`hard_spatial`",
    "none": "none, the mean of all positions",
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
    """The full runs in Markdown, and the quick ones below them."""
    head = "| attention | exact match | on the digit | character error | validation | epochs | kept | minutes |"
    lines = [head, "| --- | --: | --: | --: | --: | --: | --: | --: |"]
    for quick, mark in ((False, ""), (True, "quick: ")):
        known = {record["arm"]: record for record in records if record["quick"] == quick}
        lines += [f"| {mark}{NAMES[arm]} | {' | '.join(_cells(known.get(arm)))} |" for arm in ARMS]
    return "\n".join(lines)


def _cells(record: Record | None) -> tuple[str, ...]:
    if record is None:
        return ("not run", *["-"] * 6)
    test, pointing = record["test"], record["pointing"]
    own = ("unfinished", "-", "-")
    if test is not None:
        on_digit = "-" if pointing is None else _share(pointing)
        own = (_share(test["exact_match"]), on_digit, _share(test["character_error"]))
    counts = (str(record["epochs"]), str(record["kept_epoch"]), f"{record['minutes']:.1f}")
    return (*own, _share(record["validation"]["exact_match"]), *counts)


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"
