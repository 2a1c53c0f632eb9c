"""Finds the images of a folder, and puts what was found through the check."""

import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from regard.core.errors import DataError
from regard.data.account import HIDDEN, LeftOut, Tally, printable
from regard.data.checking import Checked, check_images
from regard.data.files import FileImages
from regard.data.formats import foreign, is_image
from regard.data.reading import BadImage, BadImageError
from regard.data.source import Opening

_READ_ALREADY = "it leads to a folder that is read already"


def image_folder(text: str) -> Path:
    """The folder at `text`, which must be one and have something in it."""
    path = Path(text).expanduser()
    if path.is_file():
        hint = f" An npz file is opened as npz:{text}." if path.suffix == ".npz" else ""
        archive = " Unpack the archive first." if path.suffix in (".zip", ".tar", ".gz", ".tgz") else ""
        raise DataError(f"{path} is a file, not a folder of images.{hint}{archive}")
    if not path.exists():
        raise DataError(f"There is no folder {path}: write folder: and the path of a folder with one folder a class.")
    try:
        empty = not any(path.iterdir())
    except OSError as error:
        raise DataError(f"The folder {path} cannot be read: {error}. Give yourself the right to read it.") from error
    if empty:
        raise DataError(f"The folder {path} is empty: put one folder a class into it, with the images of the class.")
    return path


def subfolders(folder: Path) -> list[Path]:
    """Folders directly below, sorted by name, hidden ones left out."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not _hidden(p.name))


def label_of(name: str) -> str:
    """The class that a folder of this name stands for: printable, and in one Unicode normal form.

    A name that was copied from a Mac may be the same letters in other code points.
    """
    return unicodedata.normalize("NFC", printable(name))


@dataclass
class Walked:
    """What lies below a folder: image files, sorted, and an account of all files."""

    images: list[Path] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


def find_images(folder: Path, *, above: Path | None = None) -> Walked:
    """Files that are named as images, at any depth below `folder`; links are followed, but never twice to one folder.

    Args:
        folder: where to look.
        above: the root of the source; a link to it or to a folder above it is not followed.
    """
    walked = Walked()
    seen = {_identity(place) for place in (folder, *(above or folder).absolute().parents, above or folder)}
    folders, links = [folder], list[Path]()
    while folders or links:
        if folders:
            place = folders.pop()
        elif _identity(place := links.pop(0)) in seen:
            walked.tally.found += 1
            walked.tally.leave_out([f"{printable(place)}/"], _READ_ALREADY)
            continue
        seen.add(_identity(place))
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            walked.tally.found += 1
            walked.tally.left_out.append(
                LeftOut(f"{printable(place)}/", f"the folder cannot be read ({error.strerror})")
            )
            continue
        for entry in entries:
            if not entry.is_dir() or _hidden(entry.name):
                _sort(Path(entry.path), entry.is_dir(), walked)
            else:
                (links if entry.is_symlink() else folders).append(Path(entry.path))
    walked.images.sort()
    return walked


def files_of(folder: Path) -> Walked:
    """The files directly in `folder`."""
    walked = Walked()
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if not entry.is_dir() or _hidden(entry.name):
            _sort(Path(entry.path), entry.is_dir(), walked)
    return walked


def _sort(path: Path, is_folder: bool, walked: Walked) -> None:
    """Puts a file, or a hidden folder, where it belongs."""
    walked.tally.found += 1
    if _hidden(path.name):
        walked.tally.leave_out([printable(path) + "/" * is_folder], HIDDEN)
    elif is_image(path.name):
        walked.images.append(path)
    elif (kind := foreign(path.name)) is not None:
        walked.tally.left_out.append(LeftOut(printable(path), kind))
    else:
        walked.tally.unknown.append(printable(path))


def _identity(folder: Path) -> tuple[int, int]:
    state = folder.stat()
    return state.st_dev, state.st_ino


def ignored(others: Sequence[str], root: Path) -> tuple[str, ...]:
    """A warning of files that were passed over because their names are not those of images."""
    if not others:
        return ()
    names = ", ".join(os.path.relpath(p, root) for p in others[:3]) + (", ..." if len(others) > 3 else "")
    if len(others) == 1:
        return (f"1 file is ignored, as its name is not that of an image: {names}.",)
    return (f"{len(others)} files are ignored, as their names are not those of images: {names}.",)


@dataclass(frozen=True)
class Found:
    """The usable ones of the files that were asked for, as one sequence; `kept` numbers them among those."""

    images: FileImages
    kept: list[int]


def checked_images(root: Path, files: Sequence[str], labels: Tensor, opening: Opening, tally: Tally) -> Found:
    """Decodes every file once; bad ones go into `tally`, or are an error where `opening.on_bad` is `fail`."""
    seen = check_images(root, files, max_pixels=opening.max_pixels, progress=opening.progress)
    tally.left_out += _bad(root, files, seen)
    bad = [entry for entry in tally.left_out if entry.bad]
    if bad and opening.on_bad == "fail":
        usable = sum(checked.reason is None for checked in seen)
        more = "\n".join(f"  {entry}" for entry in bad[:20])
        raise BadImageError(
            f"{len(bad)} of {usable + len(bad)} images below {printable(root)} cannot be used. Repair or remove "
            f"them, or let them be left out with --on-bad skip (on_bad='skip'):\n{more}"
            + (f"\n  and {len(bad) - 20} more" if len(bad) > 20 else ""),
            BadImage(bad[0].path, bad[0].reason),
        )
    kept = [i for i, checked in enumerate(seen) if checked.reason is None]
    good: list[Checked] = [seen[i] for i in kept]
    images = FileImages(
        root,
        [files[i] for i in kept],
        labels[kept],
        good,
        channels=1 if good and all(c.grey for c in good) else 3,
        max_pixels=opening.max_pixels,
    )
    return Found(images, kept)


def _bad(root: Path, files: Sequence[str], seen: Sequence[Checked]) -> Iterator[LeftOut]:
    for file, checked in zip(files, seen, strict=True):
        if checked.reason is not None:
            yield LeftOut(printable(root / file), checked.reason)


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))
