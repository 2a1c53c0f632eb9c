"""Groups of images, such as those of one patient, that a cut into splits must not separate."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from regard.core.errors import DataError

FEWEST = 5
"""Subfolders are groups by default if every class has at least this many."""


@dataclass(frozen=True)
class Grouping:
    """The group of each image, or None if there are no groups; with notes and warnings."""

    groups: tuple[str, ...] | None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def group_by_folder(
    where: str, below: Sequence[tuple[str, ...]], labels: Tensor, *, choice: str, cut: bool
) -> Grouping:
    """Groups by the subfolders inside the classes.

    Subfolders of one name in two classes are one group: a patient may have images in both.

    Args:
        where: the source, for messages.
        below: for each image the folders between that of its class and the file.
        labels: (n,) class numbers.
        choice: `folder` for subfolders of any number, `none` for no groups; `auto` for groups if every class has
            `FEWEST` of them.
        cut: True if splits are to be cut from these images.

    Raises:
        DataError: `choice` is `folder`, splits are to be cut, and there is no subfolder.
    """
    names = None if choice == "none" else _first_folders(below, labels.tolist())
    named = sorted({name for name in names or () if name is not None})
    if names is None or not named:
        if choice == "folder" and cut:
            raise DataError(
                f"{where} has no subfolders inside its classes that could be groups: put the images of each group into "
                "a folder of its own, or leave out --groups folder."
            )
        return Grouping(None)
    per_class: dict[int, set[str]] = {label: set() for label in labels.tolist()}
    for name, label in zip(names, labels.tolist(), strict=True):
        per_class[label] |= {name} if name is not None else set()
    fewest = min(map(len, per_class.values()))
    example = f"{len(named)} subfolders inside the classes, such as {named[0]!r},"
    if choice == "folder" or fewest >= FEWEST:
        groups = tuple(f"/{i}" if name is None else name for i, name in enumerate(names))
        note = f"{example} are groups: the images of one stay in one split (--groups none cuts image by image)."
        return Grouping(groups, notes=(note,) if cut else ())
    if not cut or max(map(len, per_class.values())) < 2:
        return Grouping(None)
    warning = (
        f"{example} are no groups, as a class has only {fewest} of them: images are cut one by one, so that those of "
        "one subfolder come into several splits. If a subfolder is a patient or a recording, scores are too "
        "high: keep them together with --groups folder."
    )
    return Grouping(None, warnings=(warning,))


def _first_folders(below: Sequence[tuple[str, ...]], labels: Sequence[int]) -> list[str | None]:
    """For each image its folder inside the class: the first one of which the class has several."""
    depth: dict[int, int] = {}
    for label in set(labels):
        own = [folders for folders, other in zip(below, labels, strict=True) if other == label]
        level = 0
        while len({folders[level : level + 1] for folders in own}) == 1 and len(own[0]) > level + 1:
            level += 1
        depth[label] = level
    pairs = zip(below, labels, strict=True)
    return [folders[depth[label]] if len(folders) > depth[label] else None for folders, label in pairs]
