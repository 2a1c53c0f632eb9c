"""A source to be scored by a trained network: all its images, with the classes of the network."""

import torch
from torch import Tensor

from regard.core.errors import DataError, unknown_name
from regard.data.account import printable
from regard.data.images import Images
from regard.data.source import Holding, Opening, Source, apply_value_range, assemble, fingerprint_of


def assemble_for_scoring(holding: Holding, opening: Opening) -> Source:
    """Makes a source with the split `all`, and with those that it has of its own.

    The classes are those of the network, matched by name; the source may lack some. If the source is the one that the
    network was trained on, by its fingerprint, it is opened as in the training.

    Raises:
        DataError: a class that the network does not know, or no usable image.
    """
    if (same := _reopen(holding, opening)) is not None:
        return same
    name, classes, parts, tally = holding.name, holding.classes, holding.parts, holding.full_tally()
    several = any(part.labels.ndim == 2 for part in parts.values())
    numbers = match_classes(name, classes, opening.known, several)
    matched = {split: _with_labels(part, numbers, len(opening.known)) for split, part in parts.items()}
    whole, *others = matched.values()
    for other in others:
        whole = whole.join(other)
    if not len(whole):
        bad = next((f" The first because: {entry}." for entry in tally.left_out if entry.bad), "")
        raise DataError(f"{name}: there is no usable image in it.{bad} Name a source with images.")
    own = matched if holding.own_splits else {}
    splits, value_range, depth = apply_value_range(holding.apply_made({"all": whole, **own}), opening.value_range)
    used = splits["all"]
    return Source(
        name=printable(name),
        classes=opening.known,
        channels=whole.channels,
        multi_label=several,
        splits=splits,
        fingerprint=fingerprint_of(opening.known, {"all": used}, {"all": used.contents()}),
        account=tally.settle({split: len(part) for split, part in (own or {"all": whole}).items()}),
        value_range=value_range,
        warnings=(*holding.warnings, *depth),
        notes=holding.notes,
        licence=holding.licence,
        mirror=holding.mirror,
    )


def _reopen(holding: Holding, opening: Opening) -> Source | None:
    """Returns the source of the training if the fingerprint is the same; else None."""
    if opening.fingerprint is None or "train" not in holding.parts:
        return None
    try:
        source = assemble(holding, opening)
    except DataError:
        return None
    return source if source.fingerprint == opening.fingerprint else None


def match_classes(name: str, classes: tuple[str, ...], known: tuple[str, ...], several: bool) -> list[int]:
    """Returns for each class of the source its number in the network."""
    unknown = [label for label in classes if label not in known]
    if unknown:
        there = [label for label in classes if label in known]
        listed = ", ".join(map(repr, unknown[:5])) + f" and {len(unknown) - 5} more" * (len(unknown) > 5)
        only = f" Score the others alone with --classes {','.join(there)}." if there else ""
        raise DataError(
            f"{name} has classes that the network does not know: {listed}. "
            f"{unknown_name('class in the network', unknown[0], known)} Rename them.{only}"
        )
    if several and len(classes) < len(known):
        missing = ", ".join(repr(label) for label in known if label not in classes)
        raise DataError(
            f"{name} does not specify which images have the classes {missing}: if an image may have several classes, "
            "every class of the network needs its column."
        )
    return [known.index(label) for label in classes]


def _with_labels(part: Images, numbers: list[int], count: int) -> Images:
    """Returns the same images with the network's class numbers."""
    changed = part.take(torch.arange(len(part)))
    changed.labels = _translate(part.labels, numbers, count)
    return changed


def _translate(labels: Tensor, numbers: list[int], count: int) -> Tensor:
    if labels.ndim == 1:
        return torch.tensor(numbers, dtype=torch.int64)[labels] if len(labels) else labels
    columns = labels.new_zeros(len(labels), count)
    columns[:, numbers] = labels
    return columns
