"""Pictures that may have several classes: a table names the classes of each."""

import csv
from dataclasses import dataclass
from pathlib import Path

import torch

from regard.core.errors import DataError
from regard.data.files import FilePictures
from regard.data.listing import SPLIT_NAMES, checked_pictures, find_pictures
from regard.data.source import SPLITS, Opening, Source, Split, assemble


@dataclass(frozen=True)
class Table:
    """What a table of labels says: files, their classes as rows of 0 and 1, and their splits where it names them."""

    classes: tuple[str, ...]
    files: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]
    splits: tuple[Split, ...] | None


def open_table(name: str, root: Path, opening: Opening) -> Source:
    """The pictures of the table `opening.labels`, which lie in the folder `root`.

    The table is a CSV file (comma, semicolon or tab) whose first line names its columns: `file`, a path below the
    folder; `split` (train, val or test), where you like; and one column a class, with 1 where the picture has the
    class, else 0. Splits that it does not name are cut from the training pictures.

        file,split,cat,dog
        a.jpg,train,1,0
        b.jpg,train,1,1

    Raises:
        DataError: the table is missing, or a line of it is not as it must be.
    """
    table = read_table(Path(str(opening.labels)).expanduser())
    checked = checked_pictures(root, table.files, torch.tensor(table.rows, dtype=torch.float32), opening)
    splits = [table.splits[i] if table.splits else "train" for i in checked.kept]
    parts: dict[Split, FilePictures] = {
        split: checked.pictures.take(torch.tensor([i for i, s in enumerate(splits) if s == split]).long())
        for split in SPLITS
        if split in (table.splits or ("train",))
    }
    unnamed = len({p.relative_to(root).as_posix() for p in find_pictures(root)[0]} - set(table.files))
    said = f"{unnamed} pictures below {root} are not in the table {opening.labels} and were left out."
    return assemble(
        name,
        table.classes,
        parts,
        seed=opening.seed,
        skipped=checked.skipped,
        warnings=(said,) if unnamed else (),
    )


def read_table(path: Path) -> Table:
    """The table in the CSV file at `path`, every line of it checked."""
    if not path.is_file():
        raise DataError(f"There is no table of labels {path}: labels must be a CSV file with the columns file, ...")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The table {path} cannot be read: {error}. Save it as a CSV file in UTF-8.") from error
    first = text.partition("\n")[0]
    rows = csv.reader(text.splitlines(), delimiter=max(",;\t", key=first.count))
    header = [column.strip() for column in next(rows, [])]
    classes = tuple(column for column in header if column not in ("file", "split"))
    if "file" not in header or len(set(header)) < len(header) or "" in header:
        raise DataError(
            f"The first line of {path} is {first.strip()!r}; it must name the columns, each once: file, split (where "
            "you like), and one a class, for example file,cat,dog."
        )
    files: dict[str, tuple[int, ...]] = {}
    splits: list[Split] = []
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
        if "split" in cells:
            splits.append(_split(line, cells["split"]))
    if not files:
        raise DataError(f"The table {path} names no file: write a line for each picture below its first line.")
    if splits and "train" not in splits:
        raise DataError(f"The table {path} puts no picture into the split train: there must be some to learn from.")
    return Table(classes, tuple(files), tuple(files.values()), tuple(splits) or None)


def _zero_or_one(line: str, column: str, value: str) -> int:
    if value not in ("0", "1"):
        raise DataError(
            f"{line}: the column {column!r} has {value!r}; write 1 where the picture has the class, else 0."
        )
    return int(value)


def _split(line: str, value: str) -> Split:
    if value.lower() not in SPLIT_NAMES:
        raise DataError(f"{line}: the split is {value!r}; it must be train, val or test.")
    return SPLIT_NAMES[value.lower()]
