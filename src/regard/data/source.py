"""The common form of every source of images, with its splits, warnings and fingerprint."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, Protocol

import torch
from torch import Tensor

from regard.core.errors import DataError
from regard.data.account import Account, LeftOut, Tally, printable
from regard.data.checking import Progress
from regard.data.depth import FEW_LEVELS, Deep, ValueRange, choose_range, count_levels
from regard.data.files import FileImages
from regard.data.formats import IMAGE, Medium
from regard.data.images import Images
from regard.data.reading import PIXEL_LIMIT
from regard.data.splits import cut

Split = Literal["train", "val", "test", "all"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
SHARES: dict[Split, float] = {"val": 0.15, "test": 0.15}
"""The share of the training images that a missing split takes."""

IMBALANCED = 3.0
"""A warning is given if the largest class has more than this many times the training images of the smallest."""

TINY = 10
"""A warning is given if a class has fewer training images."""


@dataclass(frozen=True)
class Opening:
    """Options of opening a source; see `open_source`, and `open_for_scoring` for the last three."""

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
    medium: Medium = IMAGE


@dataclass(frozen=True, eq=False)
class Source:
    """Images with labels, in three splits.

    Attributes:
        name: the name by which it was opened.
        classes: names, in the order of the class numbers.
        channels: 1 for grey, 3 for RGB.
        multi_label: True if an image may have several classes, or none.
        splits: the images of `train`, `val` and `test`, each with at least one; if the source was opened for
            scoring, `all` images and those splits that it has of its own.
        account: the account of every file.
        value_range: of images with more than 8 bits, the values that become 0 and 255; None if there are none.
        warnings: problems that may affect results, a sentence each.
        notes: decisions made on opening it, a sentence each.
        fingerprint: a hash of the classes and of every image's content and label in each split.
        licence: the notice that comes with the images; empty if unknown.
        mirror: True if a mirrored image still belongs to its class (digits do not).
    """

    name: str
    classes: tuple[str, ...]
    channels: int
    multi_label: bool
    splits: Mapping[Split, Images]
    fingerprint: str
    account: Account
    value_range: ValueRange | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    licence: str = ""
    mirror: bool = True

    def counts(self) -> dict[Split, tuple[int, ...]]:
        """Returns the number of images of each class, by split."""
        return {split: tuple(per_class(p.labels, len(self.classes)).tolist()) for split, p in self.splits.items()}


@dataclass(frozen=True, eq=False)
class Holding:
    """The contents of a source, before it is opened for training or for scoring.

    Attributes:
        name: the name by which it was opened.
        classes: names, in the order of the class numbers.
        parts: the splits that it has of its own, or all its images as `train`.
        tally: the files found and not used; None if all are in `parts`.
        own_splits: True if `parts` are splits of its own.
        warnings: problems that may affect results.
        notes: decisions made so far.
        licence: the notice that comes with the images.
        mirror: True if a mirrored image still belongs to its class.
        made: a function from the images of a split to those used instead, after missing splits are cut; None for none.
    """

    name: str
    classes: tuple[str, ...]
    parts: Mapping[Split, Images]
    tally: Tally | None = None
    own_splits: bool = True
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    licence: str = ""
    mirror: bool = True
    made: Callable[[Split, Images], Images] | None = None

    def apply_made(self, splits: Mapping[Split, Images]) -> dict[Split, Images]:
        """Applies `made` to the images of each split."""
        return {split: part if self.made is None else self.made(split, part) for split, part in splits.items()}

    def full_tally(self) -> Tally:
        """Returns the tally, or that of a source of which all images are used."""
        return self.tally or Tally(sum(map(len, self.parts.values())), unit="image")


class Labelled(Protocol):
    """Examples of any kind with their labels and names: images, clips or sounds."""

    labels: Tensor

    def __len__(self) -> int:
        """The number of examples."""

    def names(self, index: int) -> str:
        """Returns the name of an example in its source."""


def per_class(labels: Tensor, classes: int) -> Tensor:
    """Counts the images of each class, (classes,) int64."""
    return torch.bincount(labels, minlength=classes) if labels.ndim == 1 else labels.sum(0).long()


def assemble(holding: Holding, opening: Opening) -> Source:
    """Makes a source for training; missing splits are cut from the training images by the seed.

    Raises:
        DataError: there is one class only, a class without training image, or a split without images.
    """
    name, classes, parts, tally = holding.name, holding.classes, holding.parts, holding.full_tally()
    if len(classes) < 2:
        raise DataError(
            f"{name} has one class only ({', '.join(map(repr, classes))}): a classifier needs two or more, "
            "so add the images of another class."
        )
    bad = [entry for entry in tally.left_out if entry.bad]
    splits, cuts = _complete(parts, opening.seed)
    for split, images in splits.items():
        if not len(images):
            raise DataError(_nothing_in(name, split, split in parts, parts["train"], bad))
    for number, count in enumerate(per_class(splits["train"].labels, len(classes)).tolist()):
        if not count:
            raise DataError(
                f"{name}: no usable training image has the class {classes[number]!r} (number {number}). "
                f"Add some, or remove the class; class numbers must be 0 to k - 1 without a gap."
            )
    splits, value_range, depth = apply_value_range(holding.apply_made(splits), opening.value_range)
    contents = {split: images.contents() for split, images in splits.items()}
    shared = (
        *shared_warnings(contents, "image"),
        *shared_warnings({s: p.groups for s, p in splits.items()}, "group"),
    )
    return Source(
        name=printable(name),
        classes=classes,
        channels=parts["train"].channels,
        multi_label=splits["train"].labels.ndim == 2,
        splits=splits,
        fingerprint=fingerprint_of(classes, splits, contents),
        account=tally.settle({split: len(images) for split, images in splits.items()}),
        value_range=value_range,
        warnings=(*holding.warnings, *class_warnings(classes, splits), *shared, *depth),
        notes=(*holding.notes, *cuts),
        licence=holding.licence,
        mirror=holding.mirror,
    )


def apply_value_range(
    splits: Mapping[Split, Images], wanted: ValueRange | None
) -> tuple[dict[Split, Images], ValueRange | None, tuple[str, ...]]:
    """Sets one range for values of more than 8 bits; returns splits, range, and a warning if few levels remain."""
    known = [_deep(images) for images in splits.values()]
    deep = next((values for values in known if values), [])
    if not deep and wanted is None:
        return dict(splits), None, ()
    chosen = wanted or choose_range(deep)
    changed = {s: p.with_value_range(chosen) if isinstance(p, FileImages) else p for s, p in splits.items()}
    count = count_levels(deep, chosen) if deep else FEW_LEVELS
    if count >= FEW_LEVELS:
        return changed, chosen, ()
    low, high = chosen
    warning = (
        f"Of 256 grey levels a typical image has {count} or fewer, as values from {low:g} to {high:g} are scaled to "
        "them: name the range that matters with --value-range LOW:HIGH."
    )
    return changed, chosen, (warning,)


def _deep(images: Images) -> list[Deep]:
    """The values of the images with more than 8 bits."""
    if not isinstance(images, FileImages):
        return []
    return [checked.deep for checked in images.checked if checked.deep is not None]


def _complete(parts: Mapping[Split, Images], seed: int) -> tuple[dict[Split, Images], tuple[str, ...]]:
    """Returns all three splits, and a note on those that were cut."""
    train = parts["train"]
    shares: dict[str, float] = {split: SHARES[split] for split in SPLITS[1:] if split not in parts}
    if not shares:
        return {split: parts[split] for split in SPLITS}, ()
    indices = cut(train.labels, shares, seed=seed, contents=train.contents(), groups=train.groups)
    splits: dict[Split, Images] = {"train": train.take(indices["rest"])}
    for split in SPLITS[1:]:
        splits[split] = parts[split] if split in parts else train.take(indices[split])
    text = " and ".join(f"{split} ({len(splits[split])} images)" for split in SPLITS if split in shares)
    whole = f", whole groups of {len(set(train.groups))}" if train.groups is not None else ""
    return splits, (f"Cut from the training images, every class by its share{whole}, with seed {seed}: {text}.",)


def _nothing_in(name: str, split: Split, given: bool, training: Images, skipped: Sequence[LeftOut]) -> str:
    """The error message for a split without an image, which was given or was to be cut from the training images."""
    bad = f" {len(skipped):,} cannot be used, the first because: {skipped[0]}." if skipped else ""
    if given and split != "train":
        remedy = "Add images to it, or remove it, so that it is cut from the training images."
        return f"{name}: the split {split!r} has no usable image.{bad} {remedy}"
    if not len(training):
        return f"{name}: there is no usable image to train on.{bad} Add images to every class."
    if training.groups is not None:
        return (
            f"{name}: there are too few groups ({len(set(training.groups))}) to cut the split {split!r} from without "
            f"splitting one.{bad} Add groups, or let images be cut one by one with --groups none."
        )
    return (
        f"{name}: there are too few usable training images ({len(training)}) to cut the split {split!r} from.{bad} "
        "Add images to every class, or validation and test images of your own."
    )


def fingerprint_of(
    classes: tuple[str, ...], splits: Mapping[Split, Labelled], contents: Mapping[Split, tuple[str, ...] | None]
) -> str:
    """A hash of the classes and of every example's content and label in each split."""
    digest = hashlib.blake2b(repr(classes).encode(), digest_size=16)
    for split, images in splits.items():
        known = contents[split] or tuple(images.names(i) for i in range(len(images)))
        digest.update(repr((split, len(images), known)).encode())
        digest.update(images.labels.contiguous().numpy().tobytes())
    return digest.hexdigest()


def class_warnings(classes: tuple[str, ...], splits: Mapping[Split, Labelled], noun: str = "image") -> list[str]:
    """Returns warnings of small classes, and of classes missing in validation or test."""
    warnings = []
    counts = per_class(splits["train"].labels, len(classes))
    large, small = int(counts.argmax()), int(counts.argmin())
    if counts[large] > IMBALANCED * counts[small]:
        warnings.append(
            f"The classes are imbalanced: {classes[large]!r} has {counts[large]} training {noun}s, "
            f"{classes[small]!r} has {counts[small]}. Use balanced accuracy, and consider class weights or "
            "balanced sampling."
        )
    if tiny := [name for name, count in zip(classes, counts.tolist(), strict=True) if count < TINY]:
        warnings.append(
            f"Fewer than {TINY} training {noun}s have {_join_some(tiny)}: expect low accuracy on such a class."
        )
    for split in SPLITS[1:]:
        present = per_class(splits[split].labels, len(classes)).tolist()
        if absent := [name for name, count in zip(classes, present, strict=True) if not count]:
            warnings.append(
                f"The split {split!r} has no {noun} of {_join_some(absent)}: such a class is not evaluated."
            )
    return warnings


def shared_warnings(known: Mapping[Split, tuple[str, ...] | None], noun: str) -> list[str]:
    """Returns warnings of examples, or groups of them, that are in two splits."""
    warnings = []
    for one, other in combinations(SPLITS, 2):
        if shared := len(set(known[one] or ()) & set(known[other] or ())):
            remedy = "Keep each in one of the two." if noun == "group" else "Remove them from one of the two."
            warnings.append(
                f"{shared} {noun + ' is' if shared == 1 else noun + 's are'} both in {one!r} and in {other!r}: "
                f"scores there are too high. {remedy}"
            )
    return warnings


def _join_some(names: list[str]) -> str:
    """The first five names, and the number of the others."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(repr(n) for n in names[:5]) + more
