"""The texts that a command is given: as words on its line, in files, or on the standard input."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from unicodedata import normalize

from regard.core.errors import DataError
from regard.data import LeftOut
from regard.data.account import Tally, printable

STDIN = "-"


@dataclass(frozen=True)
class TextLine:
    """A text, and where it stands: a file with its line, or a number among those that were given."""

    text: str
    where: str


def text_lines(
    command: str, given: Sequence[str], *, limit: int, on_bad: Literal["skip", "fail"]
) -> tuple[list[TextLine], Tally]:
    """The texts that can be used, and an account of the others.

    Args:
        command: for messages.
        given: texts; files, whose lines are texts; `-` for the standard input.
        limit: the most characters of a text.
        on_bad: whether a text that cannot be used is left out or an error.

    Raises:
        DataError: no text at all, a file that cannot be read, or with `on_bad="fail"` a text that cannot be used.
    """
    found: list[TextLine] = []
    tally = Tally(unit="text")
    for where, raw in _raw(command, given):
        tally.found += 1
        text, reason = _usable(raw, limit)
        if not reason:
            found.append(TextLine(text, where))
        elif on_bad == "fail":
            raise DataError(f"{command}: {where}: {reason}. Leave such texts out with --on-bad skip, or mend them.")
        else:
            tally.left_out.append(LeftOut(where, reason))
    if not found:
        first = f" that can be used; the first: {tally.left_out[0]}" if tally.left_out else ""
        raise DataError(f"{command}: there is no text{first}: name texts, files of them, or - for the standard input.")
    return found, tally


def _raw(command: str, given: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for number, word in enumerate(given, 1):
        if word == STDIN:
            yield from _lines("standard input", sys.stdin.buffer.read())
        elif _is_file(word):
            try:
                yield from _lines(printable(word), Path(word).read_bytes())
            except OSError as error:
                raise DataError(f"{command}: {word} cannot be read: {error.strerror}.") from error
        else:
            yield f"text {number}", word.encode("utf-8", "surrogateescape")


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except (OSError, ValueError):  # a text may be no possible name of a file
        return False


def _lines(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if not lines[-1]:
        lines.pop()
    yield from ((f"{name}:{number}", line) for number, line in enumerate(lines, 1))


def _usable(raw: bytes, limit: int) -> tuple[str, str]:
    """The text, and why it cannot be used."""
    try:
        text = " ".join(normalize("NFC", raw.decode()).split())
    except UnicodeDecodeError as error:
        return "", f"not UTF-8 at byte {error.start + 1}"
    if not text:
        return "", "an empty line"
    return text, f"more than {limit:,} characters" if len(text) > limit else ""
