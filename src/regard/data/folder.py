"""`folder:PATH`: one folder a class, below train, val and test or to be split."""

from collections import Counter
from pathlib import Path

import torch

from regard.core.errors import DataError, unknown_name
from regard.data.labels import open_table
from regard.data.listing import SPLIT_NAMES, checked_pictures, find_pictures, ignored, picture_folder, subfolders
from regard.data.source import SPLITS, Opening, Source, Split, assemble


def open_folder(text: str, opening: Opening) -> Source:
    """The source in the folder at `text`.

    Either it has the folders train and, where you like, val (or validation, valid) and test, each with one folder a
    class; or it has one folder a class, and 15 % of every class become the validation and 15 % the test pictures.
    Classes are numbered in the order of their names. Pictures may lie at any depth in their class's folder; hidden
    files are passed over in silence, others that are no pictures with a warning. With `opening.labels` the classes
    come from a table instead, see `open_table`.

    Raises:
        DataError: the folder, a split or a class is missing or empty.
        BadPictureError: a picture cannot be used, and `opening.on_bad_image` is `fail`.
    """
    root, name = picture_folder(text), f"folder:{text}"
    if opening.labels is not None:
        return open_table(name, root, opening)
    splits = _split_folders(root)
    others: list[Path] = []
    files: list[str] = []
    owners: list[tuple[Split | None, str]] = []
    found: dict[Split | None, list[str]] = {}
    for split, folder in splits.items():
        found[split] = [path.name for path in subfolders(folder)]
        others += [p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")]
        for path in subfolders(folder):
            pictures, rest = find_pictures(path)
            files += [p.relative_to(root).as_posix() for p in pictures]
            owners += [(split, path.name)] * len(pictures)
            others += rest
    classes = _classes(root, splits, found, others)
    _each_has_pictures(splits, found, Counter(owners), others)
    labels = torch.tensor([classes.index(label) for _, label in owners])
    checked = checked_pictures(root, files, labels, opening)
    place = [owners[i][0] for i in checked.kept]
    parts = {
        split or "train": checked.pictures.take(torch.tensor([i for i, p in enumerate(place) if p == split]).long())
        for split in splits
    }
    return assemble(
        name,
        classes,
        parts,
        seed=opening.seed,
        skipped=checked.skipped,
        warnings=ignored(others, root),
    )


def _split_folders(root: Path) -> dict[Split | None, Path]:
    """The folder of each split; {None: root} where the class folders lie directly in `root`."""
    splits: dict[Split | None, Path] = {}
    for path in subfolders(root):
        split = SPLIT_NAMES.get(path.name.lower())
        if split in splits:
            raise DataError(
                f"{root} has two folders for the split {split!r}, {splits[split].name} and {path.name}: put the "
                "pictures into one of them."
            )
        if split:
            splits[split] = path
    if not splits:
        return {None: root}
    if "train" not in splits:
        there = " and ".join(path.name for path in splits.values())
        raise DataError(
            f"{root} has the split folder {there} but no folder train: add train, with one folder a class, or leave "
            "the class folders directly below it, so that they are split for you."
        )
    return {split: splits[split] for split in SPLITS if split in splits}


def _classes(
    root: Path, splits: dict[Split | None, Path], found: dict[Split | None, list[str]], others: list[Path]
) -> tuple[str, ...]:
    """Names of the training folders; every other split may have no others."""
    first, *rest = splits
    classes = tuple(found[first])
    if not classes:
        loose = any(p.parent == splits[first] for p in others)
        raise DataError(
            f"{splits[first]} has {'files' if loose else 'nothing'} but no class folders: make one folder a class and "
            "put the pictures of the class into it (or name the classes in a table: labels)."
        )
    for split in rest:
        for label in found[split]:
            if label not in classes:
                raise DataError(
                    f"{splits[split] / label} is the folder of a class that no training picture has. "
                    f"{unknown_name('training class', label, classes)} Rename it, remove it or add it to train."
                )
    return classes


def _each_has_pictures(
    splits: dict[Split | None, Path],
    found: dict[Split | None, list[str]],
    counts: Counter[tuple[Split | None, str]],
    others: list[Path],
) -> None:
    """Raises unless every class folder has a picture."""
    for split, folder in splits.items():
        for label in found[split]:
            if not counts[split, label]:
                inside = [p.name for p in others if (folder / label) in p.parents]
                hint = f" (only files such as {inside[0]})" if inside else ""
                raise DataError(
                    f"The class folder {folder / label} has no picture{hint}: add pictures in a usual format such as "
                    "JPEG or PNG, or remove the folder."
                )
