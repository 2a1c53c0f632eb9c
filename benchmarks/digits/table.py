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

Record = dict[str, Any]


def read_records(path: Path = RESULTS) -> list[Record]:
    """The results, oldest first; an arm that was run again with one seed counts once, by its latest line."""
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
    made = f"{before}{BEGIN}\n\n{table(read_records(results))}\n\n{END}{after}"
    write_whole(page, made.encode())


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
