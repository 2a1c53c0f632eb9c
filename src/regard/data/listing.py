"""Finds the images of a folder and checks them."""

import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from regard.core.errors import DataError
from regard.data.account import HIDDEN, LeftOut, Tally, printable
from regard.data.checking import CheckResult, check_images
from regard.data.files import FileImages
from regard.data.formats import IMAGE, Medium
from regard.data.reading import BadImage, BadImageError
from regard.data.source import Opening

_READ_ALREADY = "it leads to a folder that is read already"


def image_folder(text: str, medium: Medium = IMAGE) -> Path:
    """Returns the folder at `text`, which must exist and not be empty."""
    path = Path(text).expanduser()
    if path.is_file():
        hint = f" An npz file is opened as npz:{text}." if path.suffix == ".npz" else ""
        archive = " Unpack the archive first." if path.suffix in (".zip", ".tar", ".gz", ".tgz") else ""
        raise DataError(f"{path} is a file, not a folder of {medium.noun}s.{hint}{archive}")
    if not path.exists():
        raise DataError(
            f"There is no folder {path}: write {medium.scheme}: and the path of a folder with one folder a class."
        )
    try:
        empty = not any(path.iterdir())
    except OSError as error:
        raise DataError(f"The folder {path} cannot be read: {error}. Give yourself the right to read it.") from error
    if empty:
        raise DataError(
            f"The folder {path} is empty: put one folder a class into it, with the {medium.noun}s of the class."
        )
    return path


def subfolders(folder: Path) -> list[Path]:
    """Returns the folders directly below, sorted by name, without hidden ones."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not _is_hidden(p.name))


def label_of(name: str) -> str:
    """Returns the class of a folder of this name: printable, and in one Unicode normal form.

    A name that was copied from a Mac may have the same letters in other code points.
    """
    return unicodedata.normalize("NFC", printable(name))


@dataclass
class FolderListing:
    """The contents of a folder: image files, sorted, and an account of all files."""

    images: list[Path] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


def find_images(folder: Path, *, above: Path | None = None, medium: Medium = IMAGE) -> FolderListing:
    """Finds files of a medium by their names at any depth below `folder`.

    Links are followed, but never twice to one folder.

    Args:
        folder: the folder to search.
        above: the root of the source; a link to it or to a folder above it is not followed.
        medium: the kind of files.
    """
    walked = FolderListing(tally=Tally(noun=medium.noun))
    seen = {_identity(parent) for parent in (folder, *(above or folder).absolute().parents, above or folder)}
    folders, links = [folder], list[Path]()
    while folders or links:
        if folders:
            current = folders.pop()
        elif _identity(current := links.pop(0)) in seen:
            walked.tally.found += 1
            walked.tally.leave_out([f"{printable(current)}/"], _READ_ALREADY)
            continue
        seen.add(_identity(current))
        try:
            entries = sorted(os.scandir(current), key=lambda entry: entry.name)
        except OSError as error:
            walked.tally.found += 1
            walked.tally.left_out.append(
                LeftOut(f"{printable(current)}/", f"the folder cannot be read ({error.strerror})")
            )
            continue
        for entry in entries:
            if not entry.is_dir() or _is_hidden(entry.name):
                _sort(Path(entry.path), entry.is_dir(), walked, medium)
            else:
                (links if entry.is_symlink() else folders).append(Path(entry.path))
    walked.images.sort()
    return walked


def files_of(folder: Path, medium: Medium = IMAGE) -> FolderListing:
    """Returns the files directly in `folder`."""
    walked = FolderListing()
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if not entry.is_dir() or _is_hidden(entry.name):
            _sort(Path(entry.path), entry.is_dir(), walked, medium)
    return walked


def _sort(path: Path, is_folder: bool, walked: FolderListing, medium: Medium) -> None:
    """Adds a file, or a hidden folder, to the images or the account."""
    walked.tally.found += 1
    if _is_hidden(path.name):
        walked.tally.leave_out([printable(path) + "/" * is_folder], HIDDEN)
    elif medium.wanted(path.name):
        walked.images.append(path)
    elif (kind := medium.describe(path.name)) is not None:
        walked.tally.left_out.append(LeftOut(printable(path), kind))
    else:
        walked.tally.unknown.append(printable(path))


def _identity(folder: Path) -> tuple[int, int]:
    state = folder.stat()
    return state.st_dev, state.st_ino


def warn_of_ignored(others: Sequence[str], root: Path, noun: str = "image") -> tuple[str, ...]:
    """Returns a warning of files that were ignored because their names are not those of images."""
    if not others:
        return ()
    article = "an" if noun[0] in "aeiou" else "a"
    names = ", ".join(os.path.relpath(p, root) for p in others[:3]) + (", ..." if len(others) > 3 else "")
    if len(others) == 1:
        return (f"1 file is ignored, as its name is not that of {article} {noun}: {names}.",)
    return (f"{len(others)} files are ignored, as their names are not those of {noun}s: {names}.",)


@dataclass(frozen=True)
class UsableImages:
    """The usable images among the given files; `kept` has their indices among those."""

    images: FileImages
    kept: list[int]


def checked_images(root: Path, files: Sequence[str], labels: Tensor, opening: Opening, tally: Tally) -> UsableImages:
    """Decodes every file once; bad ones go into `tally`, or raise an error if `opening.on_bad` is `fail`."""
    seen = check_images(root, files, max_pixels=opening.max_pixels, progress=opening.progress)
    tally.left_out += _bad_files(root, files, seen)
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
    good: list[CheckResult] = [seen[i] for i in kept]
    images = FileImages(
        root,
        [files[i] for i in kept],
        labels[kept],
        good,
        channels=1 if good and all(c.grey for c in good) else 3,
        max_pixels=opening.max_pixels,
    )
    return UsableImages(images, kept)


def _bad_files(root: Path, files: Sequence[str], seen: Sequence[CheckResult]) -> Iterator[LeftOut]:
    for file, checked in zip(files, seen, strict=True):
        if checked.reason is not None:
            yield LeftOut(printable(root / file), checked.reason)


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))
