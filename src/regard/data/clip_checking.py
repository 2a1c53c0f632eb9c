"""Checks every video and sound once, before training, and stores the results of the good ones.

As with images, what turns out to be broken in the middle of an epoch would stop a long run; so every file is decoded
when its source is opened. The results are stored by each file's size and modification time.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from regard.core.errors import DataError, RunError
from regard.core.files import write_whole
from regard.data.cache import cache_folder
from regard.data.checking import Progress

_FORMAT = 1


class BadClipError(DataError):
    """A clip or sound that cannot be used.

    A loader's worker process passes an error on as the text of its traceback, of which only our sentence is kept.
    """

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(text.rpartition("BadClipError: ")[2].strip())
        self.reason = reason

    @classmethod
    def of(cls, noun: str, path: str, reason: str) -> "BadClipError":
        """Makes the error for the clip or sound at `path`."""
        return cls(f"The {noun} {path} cannot be used: {reason}. Repair, replace or remove it.", reason)


class Checked(NamedTuple):
    """The result of the check of one file; with a reason the other fields are meaningless.

    Attributes:
        reason: the reason why it cannot be used, or None.
        length: frames of a video evenly spread in time, or samples of a sound.
        height: of a video's frames, upright; 0 of a sound.
        width: as the height.
        rate: frames or samples a second.
        shown: of a video with a variable frame rate, for each of its frames evenly spread in time the number of the
            decoded frame that is shown then; empty if the rate is constant.
        digest: a hash of the file's content.
    """

    reason: str | None
    length: int = 0
    height: int = 0
    width: int = 0
    rate: float = 0.0
    shown: tuple[int, ...] = ()
    digest: str = ""


def check_files(
    root: Path, files: Sequence[str], examine: Callable[[Path], Checked], reader: str, progress: Progress | None
) -> list[Checked]:
    """Examines each of the `files` below `root`, or takes the stored result of a good file that has not changed.

    Args:
        root: the folder.
        files: paths below it.
        examine: decodes one file.
        reader: the package that decodes, with its version: another one may read other things.
        progress: called with the number of files checked so far and their total.
    """
    name = hashlib.sha256(repr((_FORMAT, reader, str(root.resolve()))).encode()).hexdigest()[:24]
    store = cache_folder() / "checked" / f"clips-{name}.json"
    known = _load(store)
    threads = min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)

    def look(file: str) -> tuple[tuple[int, int], Checked]:
        try:
            state = (root / file).stat()
        except OSError as error:
            return (0, 0), Checked(f"the file cannot be read ({error.strerror})")
        if not state.st_size:
            return (0, 0), Checked("the file is empty (0 bytes)")
        key = (state.st_size, state.st_mtime_ns)
        old = known.get(file)
        return key, old[1] if old is not None and old[0] == key else examine(root / file)

    seen = []
    with ThreadPoolExecutor(threads) as pool:
        for found in pool.map(look, files):
            seen.append(found)
            if progress:
                progress(len(seen), len(files))
    now = {file: found for file, found in zip(files, seen, strict=True) if found[1].reason is None}
    if any(known.get(file) != found for file, found in now.items()):
        with suppress(RunError):  # without the store the next start takes longer, but the run goes on
            write_whole(store, json.dumps(known | now).encode())
    return [checked for _, checked in seen]


def digest_of(path: Path) -> str:
    """Returns a hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _load(store: Path) -> dict[str, tuple[tuple[int, int], Checked]]:
    try:
        rows = json.loads(store.read_text())
        return {
            file: ((key[0], key[1]), Checked._make((*row[:5], tuple(row[5]), row[6])))
            for file, (key, row) in rows.items()
        }
    except (OSError, ValueError, TypeError, IndexError, AttributeError):
        return {}
