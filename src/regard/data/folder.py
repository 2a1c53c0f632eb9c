"""`folder:PATH`: one folder a class, below train, val and test or cut into splits."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from regard.core.errors import DataError, OptionError, unknown_name
from regard.data.account import Tally, printable
from regard.data.formats import IMAGE, Medium
from regard.data.groups import group_by_folder
from regard.data.labels import open_table
from regard.data.layout import Branch, Layout, decide
from regard.data.listing import checked_images, files_of, image_folder, label_of, subfolders, warn_of_ignored
from regard.data.source import SPLITS, Holding, Opening, Split

_NO_CLASS = "it lies in no class folder"
_OTHER_CLASS = "its class is none of those named with --classes"


def open_folder(text: str, opening: Opening) -> Holding:
    """Opens the folder at `text`.

    Either it has the folders train and, optionally, val and test (or training, valid, validation, dev, eval,
    testing), each with one folder a class; or it has one folder a class, and 15 % of every class become the validation
    and 15 % the test images. Classes are numbered in the order of their names. Images may lie at any depth in their
    class's folder, also behind links; subfolders are groups that no cut separates if every class has five or more.
    With `opening.labels` the classes come from a table instead, see `open_table`.

    Raises:
        DataError: the folder, a split or a class is missing or empty.
        BadImageError: an image cannot be used, and `opening.on_bad` is `fail`.
    """
    root, name = image_folder(text), f"folder:{text}"
    if opening.labels is not None:
        return open_table(name, root, opening)
    if opening.groups not in ("auto", "folder", "none"):
        raise OptionError(
            f"{name}: groups={opening.groups!r} names a column, but there is no table of labels: write --groups folder "
            "or none, or add --labels."
        )
    layout = decide(root, opening.splits, opening.classes, scoring=opening.scoring)
    listed = list_files(root, layout, opening)
    classes = class_names(root, layout, listed, opening)
    if not opening.scoring:
        expect_files(root, listed)
    labels = torch.tensor([classes.index(entry.label) for entry in listed.entries], dtype=torch.int64)
    files = [entry.path.relative_to(root).as_posix() for entry in listed.entries]
    checked = checked_images(root, files, labels, opening, listed.tally)
    kept = [listed.entries[i] for i in checked.kept]
    images = checked.images
    cut = not opening.scoring and not {"val", "test"} <= set(layout.splits)
    inner = [entry.below for entry in kept]
    grouping = group_by_folder(name, inner, images.labels, choice=opening.groups, cut=cut)
    images.groups = grouping.groups
    parts: dict[Split, torch.Tensor] = {
        split or "train": torch.tensor([i for i, entry in enumerate(kept) if entry.split == split]).long()
        for split in layout.splits
    }
    return Holding(
        name,
        classes,
        {split: images.take(chosen) for split, chosen in parts.items()},
        tally=listed.tally,
        own_splits=None not in layout.splits,
        warnings=(*warn_of_ignored(listed.tally.unknown, root), *grouping.warnings),
        notes=(*layout.notes, *listed.notes, *grouping.notes),
    )


@dataclass(frozen=True)
class Entry:
    """An image file with its split, its class and the folders between the class folder and the file."""

    path: Path
    split: Split | None
    label: str
    below: tuple[str, ...]


@dataclass
class ClassListing:
    """All image files of the classes, and an account of the other files.

    Attributes:
        entries: the images.
        labels: the class folders of each split, also those without images.
        tally: the counts of files found and left out so far.
        notes: the decisions made.
    """

    entries: list[Entry] = field(default_factory=list)
    labels: dict[Split | None, dict[str, list[Path]]] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    notes: list[str] = field(default_factory=list)


def list_files(root: Path, layout: Layout, opening: Opening) -> ClassListing:
    """Lists the files of every class in a folder, and accounts for the others."""
    listed = ClassListing(tally=Tally(noun=opening.medium.noun))
    loose = files_of(root, opening.medium)
    listed.tally.add(loose.tally)
    listed.tally.leave_out([printable(p) for p in loose.images], _NO_CLASS)
    for branch, reason in layout.beside:
        listed.tally.add(branch.walked.tally)
        listed.tally.leave_out([printable(p) for p in branch.walked.images], reason)
    wanted = None if opening.classes is None else {label_of(label) for label in opening.classes}
    for split, branches in layout.splits.items():
        for branch in branches:
            listed.tally.add(branch.walked.tally)
            folders = [branch.path] if split is None else subfolders(branch.path)
            own = listed.labels.setdefault(split, {})
            for folder in folders:
                if wanted is None or label_of(folder.name) in wanted:
                    own.setdefault(label_of(folder.name), []).append(folder)
            for path, label, below in _label_images(branch, split):
                if label is None:
                    listed.tally.leave_out([printable(path)], _NO_CLASS)
                elif wanted is not None and label not in wanted:
                    listed.tally.leave_out([printable(path)], _OTHER_CLASS)
                else:
                    listed.entries.append(Entry(path, split, label, below))
    strange = sorted(
        {p.name for own in listed.labels.values() for paths in own.values() for p in paths if _is_not_utf8(p)}
    )
    listed.notes += [f"The name of the class folder {printable(n)} is not UTF-8; it is shown so." for n in strange]
    return listed


def _label_images(branch: Branch, split: Split | None) -> Iterator[tuple[Path, str | None, tuple[str, ...]]]:
    """Yields each image of a folder with its class, if it has one, and the folders below that of the class."""
    for path in branch.walked.images:
        *folders, _ = path.relative_to(branch.path).parts
        if split is None:
            yield path, branch.name, tuple(folders)
        else:
            yield path, label_of(folders[0]) if folders else None, tuple(folders[1:])


def _is_not_utf8(path: Path) -> bool:
    return path.name != os.fsencode(path.name).decode("utf-8", "replace")


def class_names(root: Path, layout: Layout, listed: ClassListing, opening: Opening) -> tuple[str, ...]:
    """Returns the names of the training folders, sorted; no other split may have others."""
    given = [split for split in SPLITS if split in listed.labels]
    first = given[0] if given else None
    where = root if first is None else layout.splits[first][0].path
    if opening.scoring:
        return tuple(sorted({entry.label for entry in listed.entries}, key=lambda label: _order(listed, label)))
    classes = tuple(sorted(listed.labels.get(first, {}), key=lambda label: _order(listed, label)))
    if not classes:
        table = (
            ", or name the classes in a table (--labels); where the folders above are the classes write --splits none"
        )
        table = table if opening.medium is IMAGE else ""
        loose = any(p.is_file() and not p.name.startswith(".") for p in where.iterdir())
        raise DataError(
            f"{where} has {'files' if loose else 'nothing'} but no class folders: make one folder a class and "
            f"put the {opening.medium.noun}s of the class into it{table}."
        )
    if opening.classes is not None:
        for label in opening.classes:
            if label_of(label) not in classes:
                raise DataError(f"{where} has no such class. {unknown_name('class', label, classes)} (--classes)")
    for split in given[1:]:
        for label, folders in listed.labels[split].items():
            if label not in classes:
                raise DataError(
                    f"{printable(folders[0])} is the folder of a class that no training {opening.medium.noun} has. "
                    f"{unknown_name('training class', label, classes)} Rename it, remove it or add it to train."
                )
    return classes


def _order(listed: ClassListing, label: str) -> str:
    """The name of the class's folder on disk, by which classes are numbered."""
    return min(own[label][0].name for own in listed.labels.values() if label in own)


def expect_files(root: Path, listed: ClassListing, medium: Medium = IMAGE) -> None:
    """Raises unless every class folder has a file of the medium."""
    full = {(entry.split, entry.label) for entry in listed.entries}
    empty = [
        folders[0]
        for split, own in listed.labels.items()
        for label, folders in own.items()
        if (split, label) not in full
    ]
    if not empty:
        return
    files = [*listed.tally.unknown, *(entry.path for entry in listed.tally.left_out if entry.bad)]
    inside = [os.path.basename(p) for p in files if any(p.startswith(f"{printable(e)}{os.sep}") for e in empty)]
    hint = f" (only files such as {inside[0]})" if inside else ""
    names = ", ".join(printable(folder) for folder in empty[:20]) + (", ..." if len(empty) > 20 else "")
    noun = medium.noun
    subject = f"The class folder {names} has" if len(empty) == 1 else f"{len(empty)} class folders have"
    listed_names = "" if len(empty) == 1 else f": {names}"
    raise DataError(
        f"{subject} no {noun}{listed_names}{hint}: add {noun}s in a usual format such as {medium.formats}, or remove "
        f"the folder{'s' * (len(empty) > 1)}."
    )
