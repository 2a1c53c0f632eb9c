"""The table of captions of a folder: lines with a file and a text about it, and perhaps a split."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from regard.core.errors import DataError
from regard.data.account import printable
from regard.data.layout import usual_split
from regard.data.source import Split

TABLES = ("captions.tsv", "captions.csv")
"""The names of the table."""

COLUMNS = ("file", "caption", "split")


@dataclass(frozen=True)
class CaptionLine:
    """A line of a table.

    Attributes:
        number: of the line, from 1.
        file: as it is written.
        text: its spaces single.
        split: None where the table has no such column.
        reason: why it cannot be used; empty where it can.
    """

    number: int
    file: str
    text: str
    split: Split | None
    reason: str = ""


def find_table(folder: Path) -> Path:
    """The table in a folder.

    Raises:
        DataError: there is none, or there are two.
    """
    found = [folder / name for name in TABLES if (folder / name).is_file()]
    if len(found) != 1:
        what = "no captions.tsv and no captions.csv" if not found else "both captions.tsv and captions.csv"
        raise DataError(
            f"The folder {folder} has {what}: put one table into it, whose first line is file, a tab and caption, and "
            "a line below it for each text about an image."
        )
    return found[0]


def read_captions(path: Path, longest: int) -> Iterator[CaptionLine]:
    """Yields the lines of a table below its first one.

    Args:
        path: `.tsv`, with tabs and without quotation marks, or `.csv`.
        longest: a text with more characters cannot be used.

    Raises:
        DataError: the file cannot be read, or its first line does not name the columns.
    """
    lines = _text(path).splitlines(keepends=True)
    rows = (
        csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if path.suffix == ".tsv"
        else csv.reader(lines, delimiter=max(",;", key=(lines or [""])[0].count))
    )
    header = [column.strip().lower() for column in next(rows, [])]
    if not {"file", "caption"} <= set(header) or len(set(header)) < len(header) or set(header) - set(COLUMNS):
        raise DataError(
            f"The first line of {path} names the columns {', '.join(map(repr, header)) or 'nothing'}; they must be "
            "file, caption and, where the splits are your own, split."
        )
    try:
        for row in rows:
            if any(cell.strip() for cell in row):
                yield _line(rows.line_num, row, header, longest)
    except csv.Error as error:
        raise DataError(f"{path}:{rows.line_num} cannot be read: {error}. Correct the line.") from error


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path} is UTF-16: save it as UTF-8.")
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").replace("\r\n", "\n")


def _line(number: int, row: list[str], header: list[str], longest: int) -> CaptionLine:
    if len(row) != len(header):
        reason = f"{len(row)} column{'s' * (len(row) != 1)} instead of {len(header)}"
        return CaptionLine(number, printable(row[0]), "", None, reason)
    cells = dict(zip(header, row, strict=True))
    file, text = cells["file"].strip(), " ".join(cells["caption"].split())
    split = usual_split(cells["split"].strip()) if "split" in cells else None
    reason = ""
    if not file:
        reason = "no file"
    elif not text:
        reason = "an empty caption"
    elif text != text.encode("utf-8", "replace").decode():
        reason = "the caption is not UTF-8"
    elif len(text) > longest:
        reason = f"a caption of more than {longest:,} characters"
    elif "split" in cells and split is None:
        reason = f"the split {printable(cells['split'])!r}, which is not train, val or test"
    return CaptionLine(number, file, normalize("NFC", text), split, reason)
