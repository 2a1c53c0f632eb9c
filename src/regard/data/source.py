"""What every source of pictures becomes, and what is said about any of them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor

from regard.core.errors import DataError
from regard.data.account import Account, LeftOut, Tally, printable
from regard.data.checking import Progress
from regard.data.depth import FEW_LEVELS, Deep, ValueRange, choose_range, levels
from regard.data.files import FilePictures
from regard.data.pictures import Pictures
from regard.data.reading import PIXEL_LIMIT
from regard.data.splits import cut

Split = Literal["train", "val", "test", "all"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
SHARES: dict[Split, float] = {"val": 0.15, "test": 0.15}
"""A split that a source does not have takes this share of its training pictures."""

IMBALANCED = 3.0
"""Warned of where the largest class has more than this many times the training pictures of the smallest."""

TINY = 10
"""Warned of where a class has fewer training pictures."""


@dataclass(frozen=True)
class Opening:
    """How a source is to be opened; see `open_source`, and `open_for_scoring` for the last three."""

    seed: int = 0
    on_bad: Literal["skip", "fail"] = "skip"
    labels: str | None = None
    max_pixels: int = PIXEL_LIMIT
    progress: Progress | None = None
    groups: str = "auto"
    splits: str = "auto"
    classes: tuple[str, ...] | None = None
    value_range: ValueRange | None = None
    scoring: bool = False
    known: tuple[str, ...] = ()
    fingerprint: str | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """Pictures with labels, in three splits.

    Attributes:
        name: what it was opened as.
        classes: names, in the order of the class numbers.
        channels: 1 for grey, 3 for RGB.
        multi_label: whether a picture may have several classes, or none.
        splits: the pictures of `train`, `val` and `test`, each with at least one; where the source was opened to be
            scored, `all` images and those splits that it has of its own.
        account: what became of every file.
        value_range: of images with more than 8 bits, the values that become 0 and 255; None where there are none.
        warnings: what may spoil a result, a sentence each.
        notes: what was decided in opening it, a sentence each.
        fingerprint: a hash of the classes and of every picture's content and label in each split.
        licence: the notice that comes with the pictures; empty where none is known.
        mirror: whether a mirrored picture is still a picture of its class (digits are not).
    """

    name: str
    classes: tuple[str, ...]
    channels: int
    multi_label: bool
    splits: Mapping[Split, Pictures]
    fingerprint: str
    account: Account
    value_range: ValueRange | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    licence: str = ""
    mirror: bool = True

    def counts(self) -> dict[Split, tuple[int, ...]]:
        """Pictures of each class, a split."""
        return {split: tuple(per_class(p.labels, len(self.classes)).tolist()) for split, p in self.splits.items()}


@dataclass(frozen=True, eq=False)
class Holding:
    """What a source holds, before it is opened for training or for scoring.

    Attributes:
        name: what it was opened as.
        classes: names, in the order of the class numbers.
        parts: the splits that it has of its own, or all its images as `train`.
        tally: what was found and is not used; None where all is in `parts`.
        own_splits: whether `parts` are splits of its own.
        warnings: what may spoil a result.
        notes: what was decided so far.
        licence: the notice that comes with the pictures.
        mirror: whether a mirrored picture is still one of its class.
        made: the images that are used instead of those of a split, after missing splits are cut; None for themselves.
    """

    name: str
    classes: tuple[str, ...]
    parts: Mapping[Split, Pictures]
    tally: Tally | None = None
    own_splits: bool = True
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    licence: str = ""
    mirror: bool = True
    made: Callable[[Split, Pictures], Pictures] | None = None

    def finished(self, splits: Mapping[Split, Pictures]) -> dict[Split, Pictures]:
        """The images of each split as they are used."""
        return {split: part if self.made is None else self.made(split, part) for split, part in splits.items()}

    def counted(self) -> Tally:
        """Its tally, or that of a source that is used whole."""
        return self.tally or Tally(sum(map(len, self.parts.values())), unit="image")


def per_class(labels: Tensor, classes: int) -> Tensor:
    """(classes,) int64: how many pictures have each class."""
    return torch.bincount(labels, minlength=classes) if labels.ndim == 1 else labels.sum(0).long()


def assemble(holding: Holding, opening: Opening) -> Source:
    """A source to train on: splits that are missing are cut from the training pictures by the seed.

    Raises:
        DataError: there is one class only, a class without training picture, or a split without pictures.
    """
    name, classes, parts, tally = holding.name, holding.classes, holding.parts, holding.counted()
    if len(classes) < 2:
        raise DataError(
            f"{name} has one class only ({', '.join(map(repr, classes))}): a classifier needs two or more, "
            "so add the pictures of another class."
        )
    bad = [entry for entry in tally.left_out if entry.bad]
    splits, cuts = _complete(parts, opening.seed)
    for split, pictures in splits.items():
        if not len(pictures):
            raise DataError(_nothing_in(name, split, split in parts, parts["train"], bad))
    for number, count in enumerate(per_class(splits["train"].labels, len(classes)).tolist()):
        if not count:
            raise DataError(
                f"{name}: no usable training picture has the class {classes[number]!r} (number {number}). "
                f"Add some, or remove the class; class numbers must be 0 to k - 1 without a gap."
            )
    splits, value_range, depth = ranged(holding.finished(splits), opening.value_range)
    contents = {split: pictures.contents() for split, pictures in splits.items()}
    shared = (*_shared(contents, "picture"), *_shared({s: p.groups for s, p in splits.items()}, "group"))
    return Source(
        name=printable(name),
        classes=classes,
        channels=parts["train"].channels,
        multi_label=splits["train"].labels.ndim == 2,
        splits=splits,
        fingerprint=fingerprint_of(classes, splits, contents),
        account=tally.settled({split: len(pictures) for split, pictures in splits.items()}),
        value_range=value_range,
        warnings=(*holding.warnings, *_spoiled(classes, splits), *shared, *depth),
        notes=(*holding.notes, *cuts),
        licence=holding.licence,
        mirror=holding.mirror,
    )


def ranged(
    splits: Mapping[Split, Pictures], wanted: ValueRange | None
) -> tuple[dict[Split, Pictures], ValueRange | None, tuple[str, ...]]:
    """The splits with one range for values of more than 8 bits, that range, and a warning where few levels remain."""
    known = [_deep(pictures) for pictures in splits.values()]
    deep = next((values for values in known if values), [])
    if not deep and wanted is None:
        return dict(splits), None, ()
    chosen = wanted or choose_range(deep)
    changed = {s: p.ranged(chosen) if isinstance(p, FilePictures) else p for s, p in splits.items()}
    count = levels(deep, chosen) if deep else FEW_LEVELS
    if count >= FEW_LEVELS:
        return changed, chosen, ()
    low, high = chosen
    said = (
        f"Of 256 grey levels a typical image has {count} or fewer, as values from {low:g} to {high:g} are scaled to "
        "them: name the range that matters with --value-range LOW:HIGH."
    )
    return changed, chosen, (said,)


def _deep(pictures: Pictures) -> list[Deep]:
    """What is known of those with more than 8 bits."""
    if not isinstance(pictures, FilePictures):
        return []
    return [checked.deep for checked in pictures.checked if checked.deep is not None]


def _complete(parts: Mapping[Split, Pictures], seed: int) -> tuple[dict[Split, Pictures], tuple[str, ...]]:
    """All three splits, and a note on those that were cut."""
    train = parts["train"]
    shares: dict[str, float] = {split: SHARES[split] for split in SPLITS[1:] if split not in parts}
    if not shares:
        return {split: parts[split] for split in SPLITS}, ()
    places = cut(train.labels, shares, seed=seed, contents=train.contents(), groups=train.groups)
    splits: dict[Split, Pictures] = {"train": train.take(places["rest"])}
    for split in SPLITS[1:]:
        splits[split] = parts[split] if split in parts else train.take(places[split])
    text = " and ".join(f"{split} ({len(splits[split])} pictures)" for split in SPLITS if split in shares)
    whole = f", whole groups of {len(set(train.groups))}" if train.groups is not None else ""
    return splits, (f"Cut from the training pictures, every class by its share{whole}, with seed {seed}: {text}.",)


def _nothing_in(name: str, split: Split, given: bool, training: Pictures, skipped: Sequence[LeftOut]) -> str:
    """What to say of a split without a picture, which was given or was to be cut from the training pictures."""
    bad = f" {len(skipped):,} cannot be used, the first because: {skipped[0]}." if skipped else ""
    if given and split != "train":
        remedy = "Add pictures to it, or remove it, so that it is cut from the training pictures."
        return f"{name}: the split {split!r} has no usable picture.{bad} {remedy}"
    if not len(training):
        return f"{name}: there is no usable picture to train on.{bad} Add pictures to every class."
    if training.groups is not None:
        return (
            f"{name}: there are too few groups ({len(set(training.groups))}) to cut the split {split!r} from without "
            f"parting one.{bad} Add groups, or let images be cut one by one with --groups none."
        )
    return (
        f"{name}: there are too few usable training pictures ({len(training)}) to cut the split {split!r} from.{bad} "
        "Add pictures to every class, or validation and test pictures of your own."
    )


def fingerprint_of(
    classes: tuple[str, ...], splits: Mapping[Split, Pictures], contents: Mapping[Split, tuple[str, ...] | None]
) -> str:
    """A hash of the classes and of every picture's content and label in each split."""
    digest = hashlib.blake2b(repr(classes).encode(), digest_size=16)
    for split, pictures in splits.items():
        known = contents[split] or tuple(pictures.names(i) for i in range(len(pictures)))
        digest.update(repr((split, len(pictures), known)).encode())
        digest.update(pictures.labels.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _spoiled(classes: tuple[str, ...], splits: Mapping[Split, Pictures]) -> list[str]:
    """Warnings of classes that are small, or missing where they are tested."""
    said = []
    counts = per_class(splits["train"].labels, len(classes))
    large, small = int(counts.argmax()), int(counts.argmin())
    if counts[large] > IMBALANCED * counts[small]:
        said.append(
            f"The classes are imbalanced: {classes[large]!r} has {counts[large]} training pictures, "
            f"{classes[small]!r} has {counts[small]}. Look at balanced accuracy, and consider class weights or "
            "balanced sampling."
        )
    if tiny := [name for name, count in zip(classes, counts.tolist(), strict=True) if count < TINY]:
        said.append(f"Fewer than {TINY} training pictures have {_some(tiny)}: expect little of such a class.")
    for split in SPLITS[1:]:
        present = per_class(splits[split].labels, len(classes)).tolist()
        if absent := [name for name, count in zip(classes, present, strict=True) if not count]:
            said.append(f"The split {split!r} has no picture of {_some(absent)}: nothing is measured on such a class.")
    return said


def _shared(known: Mapping[Split, tuple[str, ...] | None], what: str) -> list[str]:
    """Warnings of pictures, or of groups of them, that are in two splits."""
    said = []
    for one, other in combinations(SPLITS, 2):
        if shared := len(set(known[one] or ()) & set(known[other] or ())):
            remedy = "Remove them from one of the two." if what == "picture" else "Keep each in one of the two."
            said.append(
                f"{shared} {what + ' is' if shared == 1 else what + 's are'} both in {one!r} and in {other!r}: "
                f"what is measured there is too good by so many. {remedy}"
            )
    return said


def _some(names: list[str]) -> str:
    """The first five names, and how many more."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(repr(n) for n in names[:5]) + more
