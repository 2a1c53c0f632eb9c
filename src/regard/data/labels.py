"""Images that may have several classes: a table names the classes of each."""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch

from regard.core.errors import DataError, OptionError
from regard.data.account import printable
from regard.data.files import FileImages
from regard.data.groups import group_by_folder
from regard.data.layout import usual_split
from regard.data.listing import FolderListing, checked_images, find_images
from regard.data.resolving import Resolver
from regard.data.source import SPLITS, Holding, Opening, Split

_NOT_NAMED = "the table does not name it"
_TRUTH = {
    **dict.fromkeys(("1", "1.0", "true", "yes"), 1),
    **dict.fromkeys(("0", "0.0", "false", "no", ""), 0),
}


@dataclass(frozen=True)
class Table:
    """The contents of a table of labels.

    Attributes:
        classes: the names of its columns of classes.
        files: their names in the table.
        rows: the classes of each file as 0 and 1.
        splits: of each file, if the table has them.
        groups: of each file, if a column of groups was given.
        blanks: the number of empty cells, which count as 0.
    """

    classes: tuple[str, ...]
    files: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]
    splits: tuple[Split, ...] | None
    groups: tuple[str, ...] | None = None
    blanks: int = 0


def open_table(name: str, root: Path, opening: Opening) -> Holding:
    """Opens the images of the table `opening.labels`, which are in the folder `root`.

    The table is a CSV file (comma, semicolon or tab) whose first line names its columns: `file`, a path below the
    folder; `split` (train, val or test), optional; and one column a class, with 1 if the image has the class,
    else 0. Splits that it does not name are cut from the training images. A column named by `opening.groups`
    names the group of each image, which no cut separates.

        file,split,cat,dog
        a.jpg,train,1,0
        b.jpg,train,1,1

    Raises:
        DataError: the table is missing, or one of its lines is invalid.
    """
    for option, value in (("splits", opening.splits), ("classes", opening.classes)):
        if value not in (None, "auto"):
            raise OptionError(
                f"{name}: --{option} goes with folders of classes; a table of labels names its own, in its column "
                "split and in its first line."
            )
    column = opening.groups if opening.groups not in ("auto", "folder", "none") else None
    path = Path(str(opening.labels)).expanduser()
    table = read_table(path, column, whole=not opening.scoring)
    walked = find_images(root)
    resolver = Resolver(root, walked.images)
    files = _resolve(path, table, resolver)
    tally = walked.tally
    _account_for(root, path, files, walked)
    rows = torch.tensor(table.rows, dtype=torch.float32)
    checked = checked_images(root, files, rows, opening, tally)
    images, notes, warnings = checked.images, list(resolver.notes()), []
    if table.groups is not None:
        images.groups = tuple(table.groups[i] or f"/{i}" for i in checked.kept)
        notes.append(f"Images of one {column!r} stay in one split: {len(set(images.groups)):,} groups.")
    elif opening.groups == "folder":
        below = [Path(files[i]).parts[:-1] for i in checked.kept]
        together = torch.zeros(len(below), dtype=torch.int64)
        grouping = group_by_folder(name, below, together, choice="folder", cut=True)
        images.groups = grouping.groups
        notes += grouping.notes
    if table.blanks:
        notes.append(f"{table.blanks:,} empty cells of the table count as 0.")
    splits = [table.splits[i] if table.splits else "train" for i in checked.kept]
    parts: dict[Split, FileImages] = {
        split: images.take(torch.tensor([i for i, s in enumerate(splits) if s == split]).long())
        for split in SPLITS
        if split in (table.splits or ("train",))
    }
    unnamed = sum(entry.reason == _NOT_NAMED for entry in tally.left_out)
    if unnamed:
        warnings.append(f"{unnamed} images below {root} are not in the table {opening.labels} and were left out.")
    return Holding(
        name,
        table.classes,
        parts,
        tally=tally,
        own_splits=table.splits is not None,
        warnings=tuple(warnings),
        notes=tuple(notes),
    )


def _resolve(path: Path, table: Table, resolver: Resolver) -> list[str]:
    files = [resolver.find(file) for file in table.files]
    twice = next((file for file, count in Counter(files).items() if count > 1), None)
    if twice is not None:
        names = [named for named, file in zip(table.files, files, strict=True) if file == twice]
        raise DataError(
            f"{path} names the file {twice} more than once, as {' and '.join(names[:3])}; each file must be named once."
        )
    return files


def _account_for(root: Path, path: Path, files: list[str], walked: FolderListing) -> None:
    """Counts the files that the table names and no others as images of the source."""
    named, tally = set(files), walked.tally
    known = {image.relative_to(root).as_posix() for image in walked.images}
    here = {printable(root / file) for file in named - known}
    # What the table names is an image whatever its name looks like, and the table itself is not an unknown file.
    table = path.absolute()
    tally.unknown[:] = [file for file in tally.unknown if file not in here and Path(file).absolute() != table]
    tally.left_out[:] = [entry for entry in tally.left_out if entry.path not in here]
    tally.leave_out([printable(root / file) for file in sorted(known - named)], _NOT_NAMED)
    tally.found = len(files) + len(tally.left_out) + len(tally.unknown)


def read_table(path: Path, groups: str | None = None, *, whole: bool = True) -> Table:
    """Reads the table in the CSV file at `path` and checks every line.

    Args:
        path: the file.
        groups: the column that names groups.
        whole: True requires training images.
    """
    rows, header = _lines(path)
    own = ("file", "split") if groups is None else ("file", "split", groups)
    classes = tuple(column for column in header if column not in own)
    if "file" not in header or len(set(header)) < len(header) or "" in header:
        raise DataError(
            f"The first line of {path} is {','.join(header)!r}; it must name the columns, each once: file, split "
            "(optional), and one a class, for example file,cat,dog."
        )
    if groups is not None and groups not in header:
        raise DataError(f"{path} has no column {groups!r} for --groups; its columns are: {', '.join(header)}.")
    files: dict[str, tuple[int, ...]] = {}
    splits: list[Split] = []
    grouped: list[str] = []
    blanks = 0
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        line = f"{path}, line {rows.line_num}"
        if len(row) != len(header):
            raise DataError(f"{line} has {len(row)} columns, but the first line names {len(header)}: correct the line.")
        cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
        file = Path(cells["file"]).as_posix()
        if file in files or file == ".":
            raise DataError(f"{line} names the file {cells['file']!r}; each line must name one, and none twice.")
        files[file] = tuple(_zero_or_one(line, column, cells[column]) for column in classes)
        blanks += sum(not cells[column] for column in classes)
        if "split" in cells:
            splits.append(_split(line, cells["split"]))
        if groups is not None:
            grouped.append(cells[groups])
    if not files:
        raise DataError(f"The table {path} names no file: write a line for each image below its first line.")
    if whole and splits and "train" not in splits:
        raise DataError(f"The table {path} puts no image into the split train: add training images.")
    known = tuple(grouped) if groups is not None else None
    return Table(classes, tuple(files), tuple(files.values()), tuple(splits) or None, known, blanks)


def _lines(path: Path):  # type: ignore[no-untyped-def]  # csv has no public name for the type of a reader
    """Returns a reader of the lines below the first one, and the columns that the first one names."""
    if not path.is_file():
        raise DataError(f"There is no table of labels {path}: labels must be a CSV file with the columns file, ...")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The table {path} cannot be read: {error}. Save it as a CSV file in UTF-8.") from error
    first = text.partition("\n")[0]
    rows = csv.reader(text.splitlines(), delimiter=max(",;\t", key=first.count))
    return rows, [column.strip() for column in next(rows, [])]


def _zero_or_one(line: str, column: str, value: str) -> int:
    if value.lower() not in _TRUTH:
        raise DataError(
            f"{line}: the column {column!r} has {value!r}; write 1 where the image has the class, else 0. A column "
            f"that names groups of images, such as patients, is given by --groups {column}."
        )
    return _TRUTH[value.lower()]


def _split(line: str, value: str) -> Split:
    split = usual_split(value)
    if split is None:
        raise DataError(f"{line}: the split is {value!r}; it must be train, val or test.")
    return split
