"""The docs' table of the benchmark, made from the lines of its results file."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.tables import PAGE, Record, read_latest, write_between

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
BEGIN, END = "<!-- made by python -m benchmarks.sequences --table -->", "<!-- end of sequences -->"

ROWS = {
    "dates": ("dates in 24 languages to ISO 8601", ("exact_match", "character_error")),
    "phonemes": ("letters to phonemes, CMUdict without stress", ("phoneme_error", "word_error")),
    "translation": ("English to German, messages of programs", ("bleu", "chrf")),
}
"""What each row is, and the scores that are shown of it."""

ARMS = ("additive", "none")
SHARES = ("exact_match", "character_error", "phoneme_error", "word_error")


def read_records(path: Path = RESULTS) -> list[Record]:
    """The results, oldest first; a network that was run again counts once, by its latest line."""
    return read_latest(path, lambda one: (one["row"], one.get("of"), one["arm"], one["quick"]))


def write_table(page: Path = PAGE, results: Path = RESULTS) -> None:
    """Writes the table of the results into its place on a page.

    Raises:
        RunError: the page lacks the markers.
    """
    write_between(page, BEGIN, END, table(read_records(results)))


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
