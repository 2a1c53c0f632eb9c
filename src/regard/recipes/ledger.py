"""The ledger of test-set accesses: each is recorded before it happens, and counted in the report."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from regard.core.errors import RunError

LEDGER = "test_ledger.jsonl"


def record_test_access(folder: Path, *, command: str, what: str, images: int) -> None:
    """Appends one test-set access to the ledger in `folder`.

    One line is one write, so that several processes may append at once. The ledger is only ever appended to.

    Args:
        folder: folder of the run; created if it does not exist.
        command: command that uses the images, for example `evaluate`.
        what: network that is scored.
        images: number of test images.

    Raises:
        RunError: the line could not be written; then the test images must not be used.
    """
    access = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "command": command, "what": what}
    line = json.dumps(access | {"images": images}) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)
    except OSError as error:
        raise RunError(
            f"{folder / LEDGER} could not be written ({error.strerror or error}), so the test images were not "
            "used: free some space or choose another folder, then run the same command again."
        ) from error


def count_test_accesses(folder: Path) -> int:
    """Counts the test-set accesses of a run, those of a comparison's trials included.

    >>> count_test_accesses(Path("nowhere"))
    0
    """
    ledgers = (folder / LEDGER, *folder.glob(f"trials/*/*/{LEDGER}"))
    return sum(_lines(ledger) for ledger in ledgers)


def _lines(ledger: Path) -> int:
    try:
        with ledger.open() as lines:
            return sum(1 for line in lines if line.strip())
    except FileNotFoundError:
        return 0
