"""What every source of pictures becomes, and what is said about any of them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor

from regard.core.errors import DataError
from regard.data.checking import Progress
from regard.data.pictures import Pictures
from regard.data.reading import PIXEL_LIMIT, BadPicture
from regard.data.splits import cut

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
SHARES: dict[Split, float] = {"val": 0.15, "test": 0.15}
"""A split that a source does not have takes this share of its training pictures."""

IMBALANCED = 3.0
"""Warned of where the largest class has more than this many times the training pictures of the smallest."""

TINY = 10
"""Warned of where a class has fewer training pictures."""


@dataclass(frozen=True)
class Opening:
    """How a source is to be opened; see `open_source`."""

    seed: int = 0
    on_bad_image: Literal["skip", "fail"] = "skip"
    labels: str | None = None
    max_pixels: int = PIXEL_LIMIT
    progress: Progress | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """Pictures with labels, in three splits.

    Attributes:
        name: what it was opened as.
        classes: names, in the order of the class numbers.
        channels: 1 for grey, 3 for RGB.
        multi_label: whether a picture may have several classes, or none.
        splits: the pictures of `train`, `val` and `test`, each with at least one.
        skipped: pictures that could not be used.
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
    skipped: tuple[BadPicture, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    licence: str = ""
    mirror: bool = True

    def counts(self) -> dict[Split, tuple[int, ...]]:
        """Pictures of each class, a split."""
        return {split: tuple(per_class(p.labels, len(self.classes)).tolist()) for split, p in self.splits.items()}


def per_class(labels: Tensor, classes: int) -> Tensor:
    """(classes,) int64: how many pictures have each class."""
    return torch.bincount(labels, minlength=classes) if labels.ndim == 1 else labels.sum(0).long()


def assemble(
    name: str,
    classes: tuple[str, ...],
    parts: Mapping[Split, Pictures],
    *,
    seed: int,
    skipped: tuple[BadPicture, ...] = (),
    warnings: tuple[str, ...] = (),
    licence: str = "",
    mirror: bool = True,
) -> Source:
    """A source of the splits in `parts`; those that are missing are cut from the training pictures by `seed`.

    Raises:
        DataError: there is one class only, a class without training picture, or a split without pictures.
    """
    if len(classes) < 2:
        raise DataError(
            f"{name} has one class only ({', '.join(map(repr, classes))}): a classifier needs two or more, "
            "so add the pictures of another class."
        )
    splits, notes = _complete(name, parts, seed)
    for split, pictures in splits.items():
        if not len(pictures):
            raise DataError(_nothing_in(name, split, split in parts, len(parts["train"]), skipped))
    for number, count in enumerate(per_class(splits["train"].labels, len(classes)).tolist()):
        if not count:
            raise DataError(
                f"{name}: no usable training picture has the class {classes[number]!r} (number {number}). "
                f"Add some, or remove the class; class numbers must be 0 to k - 1 without a gap."
            )
    contents = {split: pictures.contents() for split, pictures in splits.items()}
    return Source(
        name=name,
        classes=classes,
        channels=parts["train"].channels,
        multi_label=splits["train"].labels.ndim == 2,
        splits=splits,
        fingerprint=_fingerprint(classes, splits, contents),
        skipped=skipped,
        warnings=(*warnings, *_spoiled(classes, splits), *_shared(contents)),
        notes=notes,
        licence=licence,
        mirror=mirror,
    )


def _complete(name: str, parts: Mapping[Split, Pictures], seed: int) -> tuple[dict[Split, Pictures], tuple[str, ...]]:
    """All three splits, and a note on those that were cut."""
    train = parts["train"]
    shares: dict[str, float] = {split: SHARES[split] for split in SPLITS[1:] if split not in parts}
    if not shares:
        return {split: parts[split] for split in SPLITS}, ()
    places = cut(train.labels, shares, seed=seed, contents=train.contents())
    splits: dict[Split, Pictures] = {"train": train.take(places["rest"])}
    for split in SPLITS[1:]:
        splits[split] = parts[split] if split in parts else train.take(places[split])
    text = " and ".join(f"{split} ({len(splits[split])} pictures)" for split in SPLITS if split in shares)
    return splits, (f"Cut from the training pictures, every class by its share, with seed {seed}: {text}.",)


def _nothing_in(name: str, split: Split, given: bool, training: int, skipped: tuple[BadPicture, ...]) -> str:
    """What to say of a split without a picture, which was given or was to be cut from the training pictures."""
    bad = f" {len(skipped):,} cannot be used, the first because: {skipped[0]}." if skipped else ""
    if given and split != "train":
        remedy = "Add pictures to it, or remove it, so that it is cut from the training pictures."
        return f"{name}: the split {split!r} has no usable picture.{bad} {remedy}"
    if not training:
        return f"{name}: there is no usable picture to train on.{bad} Add pictures to every class."
    return (
        f"{name}: there are too few usable training pictures ({training}) to cut the split {split!r} from.{bad} "
        "Add pictures to every class, or validation and test pictures of your own."
    )


def _fingerprint(
    classes: tuple[str, ...], splits: Mapping[Split, Pictures], contents: Mapping[Split, tuple[str, ...] | None]
) -> str:
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


def _shared(contents: Mapping[Split, tuple[str, ...] | None]) -> list[str]:
    """Warnings of pictures that are in two splits."""
    said = []
    for one, other in combinations(SPLITS, 2):
        if shared := len(set(contents[one] or ()) & set(contents[other] or ())):
            said.append(
                f"{shared} {'picture is' if shared == 1 else 'pictures are'} both in {one!r} and in {other!r}: "
                "what is measured there is too good by so many. Remove them from one of the two."
            )
    return said


def _some(names: list[str]) -> str:
    """The first five names, and how many more."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(repr(n) for n in names[:5]) + more
