"""Finds the pictures of a folder, and puts what was found through the check."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from regard.core.errors import DataError
from regard.data.checking import Checked, check_pictures
from regard.data.files import FilePictures
from regard.data.reading import BadPicture, BadPictureError
from regard.data.source import Opening, Split

EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".avif", ".ico", ".tga"),
)
"""Names that end so, in small or capital letters, are taken for pictures."""


SPLIT_NAMES: dict[str, Split] = {"train": "train", "val": "val", "validation": "val", "valid": "val", "test": "test"}
"""What a split may be called, in small or capital letters."""


def picture_folder(text: str) -> Path:
    """The folder at `text`, which must be one and have something in it."""
    path = Path(text).expanduser()
    if path.is_file():
        hint = f" An npz file is opened as npz:{text}." if path.suffix == ".npz" else ""
        archive = " Unpack the archive first." if path.suffix in (".zip", ".tar", ".gz", ".tgz") else ""
        raise DataError(f"{path} is a file, not a folder of pictures.{hint}{archive}")
    if not path.exists():
        raise DataError(f"There is no folder {path}: write folder: and the path of a folder with one folder a class.")
    try:
        empty = not any(path.iterdir())
    except OSError as error:
        raise DataError(f"The folder {path} cannot be read: {error}. Give yourself the right to read it.") from error
    if empty:
        raise DataError(f"The folder {path} is empty: put one folder a class into it, with the pictures of the class.")
    return path


def subfolders(folder: Path) -> list[Path]:
    """Folders directly below, sorted by name, hidden ones left out."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not _hidden(p.name))


def find_pictures(folder: Path) -> tuple[list[Path], list[Path]]:
    """Files that are named as pictures, at any depth below `folder`, and the others; sorted, hidden ones left out."""
    pictures: list[Path] = []
    others: list[Path] = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _hidden(name)]
        for name in names:
            if not _hidden(name):
                (pictures if name.lower().endswith(EXTENSIONS) else others).append(Path(where, name))
    return sorted(pictures), sorted(others)


def ignored(others: Sequence[Path], root: Path) -> tuple[str, ...]:
    """A warning of files that were passed over because their names are not those of pictures."""
    if not others:
        return ()
    names = ", ".join(str(p.relative_to(root)) for p in others[:3]) + (", ..." if len(others) > 3 else "")
    if len(others) == 1:
        return (f"1 file is ignored, as its name is not that of a picture: {names}.",)
    return (f"{len(others)} files are ignored, as their names are not those of pictures: {names}.",)


@dataclass(frozen=True)
class Found:
    """The usable ones of the files that were asked for, as one sequence; `kept` numbers them among those."""

    pictures: FilePictures
    kept: list[int]
    skipped: tuple[BadPicture, ...]


def checked_pictures(root: Path, files: Sequence[str], labels: Tensor, opening: Opening) -> Found:
    """Decodes every file once; bad ones are left out, or an error where `opening.on_bad_image` is `fail`."""
    seen = check_pictures(root, files, max_pixels=opening.max_pixels, progress=opening.progress)
    skipped = tuple(
        BadPicture(str(root / file), checked.reason)
        for file, checked in zip(files, seen, strict=True)
        if checked.reason is not None
    )
    if skipped and opening.on_bad_image == "fail":
        more = "\n".join(f"  {picture}" for picture in skipped[:20])
        raise BadPictureError(
            f"{len(skipped)} of {len(files)} pictures below {root} cannot be used. Repair or remove them, or let them "
            f"be left out with --on-bad-image skip (on_bad_image='skip'):\n{more}"
            + (f"\n  and {len(skipped) - 20} more" if len(skipped) > 20 else ""),
            skipped[0],
        )
    kept = [i for i, checked in enumerate(seen) if checked.reason is None]
    usable: list[Checked] = [seen[i] for i in kept]
    pictures = FilePictures(
        root,
        [files[i] for i in kept],
        labels[kept],
        usable,
        channels=1 if usable and all(c.grey for c in usable) else 3,
        max_pixels=opening.max_pixels,
    )
    return Found(pictures, kept, skipped)


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))
