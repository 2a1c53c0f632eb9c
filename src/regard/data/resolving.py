"""Finds files by the inexact names of a table: another prefix, no extension, backslashes, another case."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

_EXACT = "as named"


class Resolver:
    """Finds names among the files of a folder.

    A name that is not that of a file is matched by the end of its path, without regard to case and extension, if
    exactly one file fits.

    Args:
        root: the folder.
        files: the image files below it.

    Attributes:
        ways: the number of names found in each way, except exact ones.
    """

    def __init__(self, root: Path, files: Iterable[Path]) -> None:
        self.root = root
        self.ways: Counter[str] = Counter()
        self._known = {path.relative_to(root).as_posix() for path in files}
        self._ends: dict[str, set[str]] = {}
        for name in self._known:
            for key in _keys(name):
                self._ends.setdefault(key, set()).add(name)

    def find(self, name: str) -> str:
        """Returns the path below the root, or the name itself if no file or more than one fits."""
        plain = name if "\\" not in name else name.replace("\\", "/")
        direct = self._direct(plain)
        if direct is not None:
            self._count(name, direct)
            return direct
        parts = [part for part in PurePosixPath(plain).parts if part not in ("/", ".", "..")]
        for start in range(len(parts)):
            for key in _keys("/".join(parts[start:]), whole=True):
                fitting = self._ends.get(key, set())
                exact = {file for file in fitting if _fold(file) == key or _fold(_stem(file)) == key}
                found = exact if len(exact) == 1 else fitting
                if len(found) == 1:
                    (file,) = found
                    self._count(name, file)
                    return file
        return Path(plain).as_posix()

    def _direct(self, name: str) -> str | None:
        path = Path(name)
        if path.is_absolute():
            try:
                name = Path(os.path.abspath(path)).relative_to(os.path.abspath(self.root)).as_posix()
            except ValueError:
                return path.as_posix() if path.is_file() else None
        name = PurePosixPath(os.path.normpath(name)).as_posix() if name else name
        return name if name in self._known or (name and (self.root / name).is_file()) else None

    def _count(self, name: str, file: str) -> None:
        way = _way(name, file)
        if way != _EXACT and not Path(name).is_absolute():
            self.ways[way] += 1

    def notes(self) -> tuple[str, ...]:
        """Returns notes on the names that were not matched exactly."""
        return tuple(
            f"{count:,} name{'s' * (count != 1)} of the table {'were' if count != 1 else 'was'} found {way}."
            for way, count in self.ways.most_common()
        )


def _keys(name: str, *, whole: bool = False) -> Sequence[str]:
    """The keys of a file: every end of its path, or only all of it, with and without its extension."""
    parts = name.split("/")
    ends = [name] if whole else ["/".join(parts[start:]) for start in range(len(parts))]
    return list(dict.fromkeys(_fold(text) for end in ends for text in (end, _stem(end))))


def _stem(name: str) -> str:
    head, dot, tail = name.rpartition(".")
    return head if dot and head and "/" not in tail and not head.endswith("/") else name


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _way(name: str, file: str) -> str:
    """Describes the difference of the name from the file's."""
    plain = name.replace("\\", "/").removeprefix("./")
    if plain == file:
        return "with its backslashes as slashes" if "\\" in name else _EXACT
    if _fold(plain) == _fold(file):
        return "in another case or Unicode normal form"
    if _fold(_stem(file)) == _fold(plain):
        return "without an extension"
    return "by the end of its path"
