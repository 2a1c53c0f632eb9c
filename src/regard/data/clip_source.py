"""Makes a source of clips or sounds from its parts: cuts missing splits, warns, matches classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from regard.core.errors import DataError
from regard.data.account import LeftOut, Tally, printable
from regard.data.clips import ClipKind, Clips, ClipSource
from regard.data.scoring import match_classes
from regard.data.source import SHARES, SPLITS, Split, class_warnings, fingerprint_of, per_class, shared_warnings
from regard.data.splits import cut


@dataclass(frozen=True, eq=False)
class ClipHolding:
    """The contents of a source of clips, before it is opened for training or for scoring.

    Attributes:
        name: the name by which it was opened.
        kind: `clip` or `sound`.
        classes: names, in the order of the class numbers.
        parts: the splits that it has of its own, or all its clips as `train`.
        tally: what was found and is not used.
        own_splits: True if `parts` are splits of its own.

        options: the settings in its name.
        warnings: problems that may affect results.
        notes: decisions made so far.
    """

    name: str
    kind: ClipKind
    classes: tuple[str, ...]
    parts: Mapping[Split, Clips]
    tally: Tally
    own_splits: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def noun(self) -> str:
        """The word for one example: `clip` or `sound`."""
        return self.kind


def assemble_clips(holding: ClipHolding, seed: int) -> ClipSource:
    """Makes a source for training; missing splits are cut from the training clips by the seed.

    Raises:
        DataError: there is one class only, a class without training clip, or a split without clips.
    """
    name, classes, noun = holding.name, holding.classes, holding.noun
    if len(classes) < 2:
        raise DataError(
            f"{name} has one class only ({', '.join(map(repr, classes))}): a classifier needs two or more, so add the "
            f"{noun}s of another class."
        )
    splits, cuts = _complete(holding, seed)
    for split, clips in splits.items():
        if not len(clips):
            raise DataError(_nothing_in(holding, split))
    for number, count in enumerate(per_class(splits["train"].labels, len(classes)).tolist()):
        if not count:
            raise DataError(
                f"{name}: no usable training {noun} has the class {classes[number]!r} (number {number}). Add some, or "
                "remove the class; class numbers must be 0 to k - 1 without a gap."
            )
    contents = {split: clips.contents() for split, clips in splits.items()}
    return ClipSource(
        name=printable(name),
        kind=holding.kind,
        classes=classes,
        channels=holding.parts["train"].channels,
        splits=splits,
        fingerprint=fingerprint_of(classes, splits, contents),
        account=holding.tally.settle({split: clips.files() for split, clips in splits.items()}),
        options=holding.options,
        warnings=(
            *holding.warnings,
            *class_warnings(classes, splits, noun),
            *shared_warnings(contents, noun),
        ),
        notes=(*holding.notes, *cuts),
    )


def assemble_clips_to_score(
    holding: ClipHolding, known: Sequence[str], *, fingerprint: str | None = None, seed: int = 0
) -> ClipSource:
    """Makes a source with the split `all`, and with those that it has of its own, in the classes of a network.

    If the source is the one that the network was trained on, by its fingerprint, it is opened as in the training.

    Raises:
        DataError: a class that the network does not know, or no usable clip.
    """
    if fingerprint is not None and "train" in holding.parts:
        try:
            source = assemble_clips(holding, seed)
        except DataError:
            source = None
        if source is not None and source.fingerprint == fingerprint:
            return source
    numbers = torch.tensor(match_classes(holding.name, holding.classes, tuple(known), False), dtype=torch.int64)
    matched: dict[Split, Clips] = {}
    for split, part in holding.parts.items():
        matched[split] = part.take(torch.arange(len(part)))
        matched[split].labels = numbers[part.labels] if len(part) else part.labels
    whole, *others = matched.values()
    for other in others:
        whole = whole.join(other)
    if not len(whole):
        raise DataError(
            f"{holding.name}: there is no usable {holding.noun} in it.{_first_bad(holding.tally.left_out)} Name a "
            f"source with {holding.noun}s."
        )
    own = matched if holding.own_splits else {}
    used = own or {"all": whole}
    return ClipSource(
        name=printable(holding.name),
        kind=holding.kind,
        classes=tuple(known),
        channels=whole.channels,
        splits={"all": whole, **own},
        fingerprint=fingerprint_of(tuple(known), {"all": whole}, {"all": whole.contents()}),
        account=holding.tally.settle({split: part.files() for split, part in used.items()}),
        options=holding.options,
        warnings=holding.warnings,
        notes=holding.notes,
    )


def _complete(holding: ClipHolding, seed: int) -> tuple[dict[Split, Clips], tuple[str, ...]]:
    """Returns all three splits, and a note on those that were cut."""
    parts, train = holding.parts, holding.parts["train"]
    shares: dict[str, float] = {split: SHARES[split] for split in SPLITS[1:] if split not in parts}
    if not shares:
        return {split: parts[split] for split in SPLITS}, ()
    indices = cut(train.labels, shares, seed=seed, contents=train.contents())
    splits: dict[Split, Clips] = {"train": train.take(indices["rest"])}
    for split in SPLITS[1:]:
        splits[split] = parts[split] if split in parts else train.take(indices[split])
    text = " and ".join(f"{split} ({len(splits[split])} {holding.noun}s)" for split in SPLITS if split in shares)
    return splits, (f"Cut from the training {holding.noun}s, every class by its share, with seed {seed}: {text}.",)


def _nothing_in(holding: ClipHolding, split: Split) -> str:
    """The error message for a split without a clip, which was given or was to be cut from the training clips."""
    name, noun, bad = holding.name, holding.noun, _first_bad(holding.tally.left_out)
    if split in holding.parts and split != "train":
        return (
            f"{name}: the split {split!r} has no usable {noun}.{bad} Add {noun}s to it, or remove it, so that it is "
            f"cut from the training {noun}s."
        )
    if not len(holding.parts["train"]):
        return f"{name}: there is no usable {noun} to train on.{bad} Add {noun}s to every class."
    return (
        f"{name}: there are too few usable training {noun}s ({len(holding.parts['train'])}) to cut the split {split!r} "
        f"from.{bad} Add {noun}s to every class, or validation and test {noun}s of your own."
    )


def _first_bad(left_out: Sequence[LeftOut]) -> str:
    bad = [entry for entry in left_out if entry.bad]
    return f" {len(bad):,} cannot be used, the first because: {bad[0]}." if bad else ""
