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
BEGIN, END = "<!-- made by python -m benchmarks.sequences --table -->", "<!-- end of sequences -->"

ROWS = {
    "dates": ("dates in 24 languages to ISO 8601", ("exact_match", "character_error")),
    "phonemes": ("letters to phonemes, CMUdict without stress", ("phoneme_error", "word_error")),
    "translation": ("English to German, messages of programs", ("bleu", "chrf")),
}
"""What each row is, and the scores that are shown of it."""

ARMS = ("additive", "none")
SHARES = ("exact_match", "character_error", "phoneme_error", "word_error")

Record = dict[str, Any]


def read_records(path: Path = RESULTS) -> list[Record]:
    """The results, oldest first; a network that was run again with one seed counts once, by its latest line."""
    if not path.exists():
        return []
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    latest = {(record["row"], record.get("of"), record["arm"], record["quick"]): record for record in records}
    return list(latest.values())


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
    """The full rows in Markdown, what was not run among them; then errors by length."""
    full = {(record["row"], record["arm"]): record for record in records if not record["quick"]}
    lines = [
        "| task | attention | test | validation | epochs | kept | minutes |",
        "| --- | --- | --- | --- | --: | --: | --: |",
    ]
    for row, (task, names) in ROWS.items():
        for arm in ARMS:
            lines.append(f"| {' | '.join((task, arm, *_cells(full.get((row, arm)), names)))} |")
    return "\n".join((*lines, "", *_lengths(records)))


def _cells(record: Record | None, names: Sequence[str]) -> tuple[str, ...]:
    if record is None:
        return "not run", "-", "-", "-", "-"
    test = "unfinished" if record["test"] is None else _scores(record["test"], names)
    kept, minutes = str(record["kept_epoch"]), f"{record['minutes']:.0f}"
    return test, _scores(record["validation"], names), str(record["epochs"]), kept, minutes


def _scores(values: dict[str, float], names: Sequence[str]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {100 * values[name]:.2f} %" if name in SHARES else f"{name} {values[name]:.1f}"
        for name in names
    )


def _lengths(records: Sequence[Record]) -> list[str]:
    """A table for each row whose errors were sorted by length."""
    made: list[str] = []
    found = [record for record in records if record["row"] == "length" and not record["quick"]]
    for row in dict.fromkeys(record["of"] for record in found):
        arms = [record for record in found if record["of"] == row]
        parts = [entry["characters"] for entry in arms[0]["wrong"]]
        made += [f"| {row}: wrong, by characters | " + " | ".join(f"{low} to {high}" for low, high in parts) + " |"]
        made += ["| --- " + "| --: " * len(parts) + "|"]
        made += [
            f"| {one['arm']} | " + " | ".join(f"{100 * entry['wrong']:.1f} %" for entry in one["wrong"]) + " |"
            for one in arms
        ]
        made.append("")
    return made[:-1]
