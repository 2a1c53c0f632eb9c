"""Decides which folders of a source are splits and which are classes, and notes the decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from regard.core.errors import DataError, OptionError
from regard.data.account import Tally, printable
from regard.data.formats import IMAGE, Medium
from regard.data.listing import FolderListing, find_images, label_of, subfolders
from regard.data.source import SPLITS, Split

_USUAL: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "development"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Usual names of splits, in any case; `eval` is val, or test if there is a val already."""

_EVAL = ("eval", "evaluation")


def usual_split(name: str) -> Split | None:
    """Returns the split that usually has this name.

    >>> usual_split("Testing"), usual_split("eval"), usual_split("cat")
    ('test', 'val', None)
    """
    return "val" if name.lower() in _EVAL else _USUAL.get(name.lower())


@dataclass
class Branch:
    """A folder directly below the root with its contents.

    Attributes:
        path: the folder.
        walked: all of it.
        direct: images directly in it.
        inner: images in folders inside it.
    """

    path: Path
    walked: FolderListing
    direct: int = 0
    inner: int = 0

    @classmethod
    def of(cls, path: Path, root: Path, medium: Medium = IMAGE) -> "Branch":
        """Lists the folder at `path`."""
        walked = find_images(path, above=root, medium=medium)
        direct = sum(image.parent == path for image in walked.images)
        return cls(path, walked, direct, len(walked.images) - direct)

    @property
    def name(self) -> str:
        """Its name, printable."""
        return label_of(self.path.name)

    @property
    def images(self) -> int:
        """The number of its images."""
        return self.direct + self.inner

    @property
    def like_a_split(self) -> bool:
        """True if most of its images are in subfolders, as those of the classes of a split."""
        return self.inner > self.direct


@dataclass(frozen=True)
class Layout:
    """The folders of each split; `{None: branches}` if the folders below the root are the classes themselves.

    Attributes:
        splits: the folders of each split, or the class folders under None.
        beside: folders that are left out, with the reason.
        notes: decisions that are not obvious.
    """

    splits: Mapping[Split | None, tuple[Branch, ...]]
    beside: tuple[tuple[Branch, str], ...] = ()
    notes: tuple[str, ...] = ()
    tally: Tally = field(default_factory=Tally)


def decide(root: Path, splits: str, classes: Sequence[str] | None, *, scoring: bool, medium: Medium = IMAGE) -> Layout:
    """Decides the layout of the folder `root`.

    Args:
        root: the folder of the source.
        splits: `none` if every folder is a class; `train=FOLDER,test=FOLDER` for other names; `auto` decides by names
            and contents.
        classes: names of the only classes, or None.
        scoring: True allows splits without train.
        medium: the kind of files.

    Raises:
        DataError: folders that could be both, two folders for a split, or no folder to train on.
    """
    branches = [Branch.of(path, root, medium) for path in subfolders(root)]
    if splits not in ("auto", "none"):
        return _explicit_layout(root, branches, _pairs(splits), scoring=scoring)
    named = _by_split(root, branches) if splits == "auto" else {}
    others = [b for b in branches if b.images and usual_split(b.path.name) is None]
    if classes is not None and set(classes) <= {b.name for b in branches}:
        return Layout({None: tuple(branches)})
    shaped = {split: branch for split, branch in named.items() if branch.like_a_split}
    if not named or (others and not shaped):
        notes = tuple(
            f"The folder {b.name!r} is read as a class, as it has {medium.noun}s directly in it (--splits changes "
            "that)."
            for b in named.values()
            if b.images
        )
        return Layout({None: tuple(branches)}, notes=notes)
    if others and "train" not in shaped:
        known, other = next(iter(shaped.values())).name, others[0].name
        raise DataError(
            f"{root} has the folder {known!r}, which has the name of a split, beside {other!r}, which has not: if all "
            f"are classes write --splits none, if {known!r} is a split --splits {next(iter(shaped))}={known}."
        )
    return _as_splits(root, branches, named, shaped, scoring=scoring)


def _as_splits(
    root: Path,
    branches: Sequence[Branch],
    named: Mapping[Split, Branch],
    shaped: Mapping[Split, Branch],
    *,
    scoring: bool,
) -> Layout:
    """The layout of folders with names of splits; folders beside them are left out."""
    ordered = {split: named[split] for split in SPLITS if split in named}
    kept = {s: b for s, b in ordered.items() if not shaped or s in shaped or s == "train" or not b.direct}
    if "train" not in kept and not scoring:
        there = " and ".join(b.path.name for b in named.values())
        raise DataError(
            f"{root} has the split folder {there} but no folder train: add train, with one folder a class, or leave "
            "the class folders directly below it, so that they are split for you; where all are classes write --splits "
            "none."
        )
    beside, notes = [], []
    for branch in branches:
        if branch in kept.values():
            continue
        called = next((s for s, b in named.items() if b is branch), None)
        reason = f"it lies beside the split folders {' and '.join(b.name for b in kept.values())}"
        if called is not None:
            reason = "its split has no class folders, so that the images have no class"
        beside.append((branch, reason))
        if branch.images:
            notes.append(
                f"The folder {branch.name!r} with {branch.images:,} images is left out: {reason} (--splits none makes "
                "every folder a class)."
            )
    unusual = [f"{b.name} as {s}" for s, b in kept.items() if b.path.name.lower() not in (s, "valid", "validation")]
    if unusual:
        notes.insert(0, f"Folders are read as splits: {', '.join(unusual)} (--splits none makes them classes).")
    return Layout({s: (b,) for s, b in kept.items()}, tuple(beside), tuple(notes))


def _by_split(root: Path, branches: Sequence[Branch]) -> dict[Split, Branch]:
    """Returns the folders with usual names of splits."""
    found: dict[Split, Branch] = {}
    for branch in sorted(branches, key=lambda b: b.path.name.lower() in _EVAL):
        split = usual_split(branch.path.name)
        if split == "val" and split in found and branch.path.name.lower() in _EVAL:
            split = "test"
        if split is not None and split in found:
            first, second = sorted((found[split].path.name, branch.path.name))
            raise DataError(
                f"{root} has two folders for the split {split!r}, {first} and {second}: put the images into one of "
                f"them, or name the one that counts: --splits train=FOLDER,{split}={first}."
            )
        if split is not None:
            found[split] = branch
    return found


def _pairs(text: str) -> dict[Split, str]:
    """Parses `train=FOLDER,test=FOLDER` as a mapping."""
    pairs: dict[Split, str] = {}
    for part in text.split(","):
        split, equals, folder = (word.strip() for word in part.partition("="))
        if split not in SPLITS or not equals or not folder or split in pairs:
            raise OptionError(
                f"splits={text!r} is not allowed; it must be none, or SPLIT=FOLDER with commas between, each of train, "
                "val and test once at most, for example train=learn,test=hold (--splits)."
            )
        pairs[split] = folder
    return pairs


def _explicit_layout(root: Path, branches: Sequence[Branch], pairs: Mapping[Split, str], *, scoring: bool) -> Layout:
    """Returns the layout that the user gave."""
    known = {branch.name: branch for branch in branches}
    for split, folder in pairs.items():
        if label_of(folder) not in known:
            raise DataError(
                f"{printable(root)} has no folder {folder!r} for the split {split!r}; there are: "
                f"{', '.join(known) or 'none'} (--splits)."
            )
    splits: dict[Split | None, tuple[Branch, ...]] = {s: (known[label_of(pairs[s])],) for s in SPLITS if s in pairs}
    if "train" not in splits and not scoring:
        raise DataError(f"{printable(root)}: --splits names no folder to train on: add train=FOLDER.")
    used = [branch for row in splits.values() for branch in row]
    beside = tuple((b, "it is none of the folders named with --splits") for b in branches if b not in used)
    return Layout(splits, beside)
