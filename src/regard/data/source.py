"""What every source of images becomes, and what is said about any of them."""

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
from regard.data.files import FileImages
from regard.data.images import Images
from regard.data.reading import PIXEL_LIMIT
from regard.data.splits import cut

Split = Literal["train", "val", "test", "all"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
SHARES: dict[Split, float] = {"val": 0.15, "test": 0.15}
"""A split that a source does not have takes this share of its training images."""

IMBALANCED = 3.0
"""Warned of where the largest class has more than this many times the training images of the smallest."""

TINY = 10
"""Warned of where a class has fewer training images."""


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
    """Images with labels, in three splits.

    Attributes:
        name: what it was opened as.
        classes: names, in the order of the class numbers.
        channels: 1 for grey, 3 for RGB.
        multi_label: whether an image may have several classes, or none.
        splits: the images of `train`, `val` and `test`, each with at least one; where the source was opened to be
            scored, `all` images and those splits that it has of its own.
        account: what became of every file.
        value_range: of images with more than 8 bits, the values that become 0 and 255; None where there are none.
        warnings: what may spoil a result, a sentence each.
        notes: what was decided in opening it, a sentence each.
        fingerprint: a hash of the classes and of every image's content and label in each split.
        licence: the notice that comes with the images; empty where none is known.
        mirror: whether a mirrored image is still an image of its class (digits are not).
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
        """Images of each class, a split."""
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
        licence: the notice that comes with the images.
        mirror: whether a mirrored image is still one of its class.
        made: the images that are used instead of those of a split, after missing splits are cut; None for themselves.
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

    def finished(self, splits: Mapping[Split, Images]) -> dict[Split, Images]:
        """The images of each split as they are used."""
        return {split: part if self.made is None else self.made(split, part) for split, part in splits.items()}

    def counted(self) -> Tally:
        """Its tally, or that of a source that is used whole."""
        return self.tally or Tally(sum(map(len, self.parts.values())), unit="image")


def per_class(labels: Tensor, classes: int) -> Tensor:
    """(classes,) int64: how many images have each class."""
    return torch.bincount(labels, minlength=classes) if labels.ndim == 1 else labels.sum(0).long()


def assemble(holding: Holding, opening: Opening) -> Source:
    """A source to train on: splits that are missing are cut from the training images by the seed.

    Raises:
        DataError: there is one class only, a class without training image, or a split without images.
    """
    name, classes, parts, tally = holding.name, holding.classes, holding.parts, holding.counted()
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
    splits, value_range, depth = ranged(holding.finished(splits), opening.value_range)
    contents = {split: images.contents() for split, images in splits.items()}
    shared = (*_shared(contents, "image"), *_shared({s: p.groups for s, p in splits.items()}, "group"))
    return Source(
        name=printable(name),
        classes=classes,
        channels=parts["train"].channels,
        multi_label=splits["train"].labels.ndim == 2,
        splits=splits,
        fingerprint=fingerprint_of(classes, splits, contents),
        account=tally.settled({split: len(images) for split, images in splits.items()}),
        value_range=value_range,
        warnings=(*holding.warnings, *_spoiled(classes, splits), *shared, *depth),
        notes=(*holding.notes, *cuts),
        licence=holding.licence,
        mirror=holding.mirror,
    )


def ranged(
    splits: Mapping[Split, Images], wanted: ValueRange | None
) -> tuple[dict[Split, Images], ValueRange | None, tuple[str, ...]]:
    """The splits with one range for values of more than 8 bits, that range, and a warning where few levels remain."""
    known = [_deep(images) for images in splits.values()]
    deep = next((values for values in known if values), [])
    if not deep and wanted is None:
        return dict(splits), None, ()
    chosen = wanted or choose_range(deep)
    changed = {s: p.ranged(chosen) if isinstance(p, FileImages) else p for s, p in splits.items()}
    count = levels(deep, chosen) if deep else FEW_LEVELS
    if count >= FEW_LEVELS:
        return changed, chosen, ()
    low, high = chosen
    said = (
        f"Of 256 grey levels a typical image has {count} or fewer, as values from {low:g} to {high:g} are scaled to "
        "them: name the range that matters with --value-range LOW:HIGH."
    )
    return changed, chosen, (said,)


def _deep(images: Images) -> list[Deep]:
    """What is known of those with more than 8 bits."""
    if not isinstance(images, FileImages):
        return []
    return [checked.deep for checked in images.checked if checked.deep is not None]


def _complete(parts: Mapping[Split, Images], seed: int) -> tuple[dict[Split, Images], tuple[str, ...]]:
    """All three splits, and a note on those that were cut."""
    train = parts["train"]
    shares: dict[str, float] = {split: SHARES[split] for split in SPLITS[1:] if split not in parts}
    if not shares:
        return {split: parts[split] for split in SPLITS}, ()
    places = cut(train.labels, shares, seed=seed, contents=train.contents(), groups=train.groups)
    splits: dict[Split, Images] = {"train": train.take(places["rest"])}
    for split in SPLITS[1:]:
        splits[split] = parts[split] if split in parts else train.take(places[split])
    text = " and ".join(f"{split} ({len(splits[split])} images)" for split in SPLITS if split in shares)
    whole = f", whole groups of {len(set(train.groups))}" if train.groups is not None else ""
    return splits, (f"Cut from the training images, every class by its share{whole}, with seed {seed}: {text}.",)


def _nothing_in(name: str, split: Split, given: bool, training: Images, skipped: Sequence[LeftOut]) -> str:
    """What to say of a split without an image, which was given or was to be cut from the training images."""
    bad = f" {len(skipped):,} cannot be used, the first because: {skipped[0]}." if skipped else ""
    if given and split != "train":
        remedy = "Add images to it, or remove it, so that it is cut from the training images."
        return f"{name}: the split {split!r} has no usable image.{bad} {remedy}"
    if not len(training):
        return f"{name}: there is no usable image to train on.{bad} Add images to every class."
    if training.groups is not None:
        return (
            f"{name}: there are too few groups ({len(set(training.groups))}) to cut the split {split!r} from without "
            f"parting one.{bad} Add groups, or let images be cut one by one with --groups none."
        )
    return (
        f"{name}: there are too few usable training images ({len(training)}) to cut the split {split!r} from.{bad} "
        "Add images to every class, or validation and test images of your own."
    )


def fingerprint_of(
    classes: tuple[str, ...], splits: Mapping[Split, Images], contents: Mapping[Split, tuple[str, ...] | None]
) -> str:
    """A hash of the classes and of every image's content and label in each split."""
    digest = hashlib.blake2b(repr(classes).encode(), digest_size=16)
    for split, images in splits.items():
        known = contents[split] or tuple(images.names(i) for i in range(len(images)))
        digest.update(repr((split, len(images), known)).encode())
        digest.update(images.labels.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _spoiled(classes: tuple[str, ...], splits: Mapping[Split, Images]) -> list[str]:
    """Warnings of classes that are small, or missing where they are tested."""
    said = []
    counts = per_class(splits["train"].labels, len(classes))
    large, small = int(counts.argmax()), int(counts.argmin())
    if counts[large] > IMBALANCED * counts[small]:
        said.append(
            f"The classes are imbalanced: {classes[large]!r} has {counts[large]} training images, "
            f"{classes[small]!r} has {counts[small]}. Look at balanced accuracy, and consider class weights or "
            "balanced sampling."
        )
    if tiny := [name for name, count in zip(classes, counts.tolist(), strict=True) if count < TINY]:
        said.append(f"Fewer than {TINY} training images have {_some(tiny)}: expect little of such a class.")
    for split in SPLITS[1:]:
        present = per_class(splits[split].labels, len(classes)).tolist()
        if absent := [name for name, count in zip(classes, present, strict=True) if not count]:
            said.append(f"The split {split!r} has no image of {_some(absent)}: nothing is measured on such a class.")
    return said


def _shared(known: Mapping[Split, tuple[str, ...] | None], what: str) -> list[str]:
    """Warnings of images, or of groups of them, that are in two splits."""
    said = []
    for one, other in combinations(SPLITS, 2):
        if shared := len(set(known[one] or ()) & set(known[other] or ())):
            remedy = "Remove them from one of the two." if what == "image" else "Keep each in one of the two."
            said.append(
                f"{shared} {what + ' is' if shared == 1 else what + 's are'} both in {one!r} and in {other!r}: "
                f"what is measured there is too good by so many. {remedy}"
            )
    return said


def _some(names: list[str]) -> str:
    """The first five names, and how many more."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(repr(n) for n in names[:5]) + more
