"""Tables of the docs, made from the lines of a benchmark's results file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from regard.core.errors import RunError
from regard.core.files import write_whole

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "benchmarks.md"

Record = dict[str, Any]


def read_latest(path: Path, key: Callable[[Record], object]) -> list[Record]:
    """The results, oldest first; of those with the same key the latest alone."""
    if not path.exists():
        return []
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return list({key(record): record for record in records}.values())


def by_arm(record: Record) -> tuple[str, bool, int]:
    """The key of a network that was run again with one seed."""
    return record["arm"], record["quick"], record["seed"]


def write_between(page: Path, begin: str, end: str, made: str) -> None:
    """Writes a text between two markers of a page.

    Raises:
        RunError: the page lacks the markers.
    """
    before, first, rest = page.read_text(encoding="utf-8").partition(begin)
    _, last, after = rest.partition(end)
    if not first or not last:
        raise RunError(f"{page} has no room for the table: it needs the lines {begin} and {end}.")
    write_whole(page, f"{before}{begin}\n\n{made}\n\n{end}{after}".encode())
