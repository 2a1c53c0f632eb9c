"""Opens any source by its name on the command line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from regard.core.errors import DataError, OptionError, unknown_name
from regard.core.options import at_least, one_of
from regard.data.checking import Progress
from regard.data.cluttered import CLUTTERED, open_cluttered
from regard.data.depth import parse_range
from regard.data.folder import open_folder
from regard.data.npz import open_npz
from regard.data.reading import PIXEL_LIMIT
from regard.data.scoring import assemble_for_scoring
from regard.data.shipped import SHIPPED, open_shipped
from regard.data.source import Holding, Opening, Source, assemble
from regard.data.torchvision_sets import open_torchvision

SCHEMES: Mapping[str, Callable[[str, Opening], Holding]] = {
    "folder": open_folder,
    "npz": open_npz,
    "torchvision": open_torchvision,
}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Options of reading the images of a source and of its splits.

    Args:
        labels: with folder:PATH, a CSV file with the columns file and one a class: images may have several classes.
        on_bad: `skip` leaves out and lists images that cannot be used, `fail` raises an error.
        groups: groups of images that no cut separates: `folder` (the subfolders inside the classes), `none`, or a
            column of the labels; `auto` takes subfolders if every class has five or more.
        splits: `none` if every folder is a class, or train=FOLDER,val=FOLDER,test=FOLDER; `auto` takes folders with
            the usual names that have class folders inside.
        classes: the only folders that are classes, with commas between.
        value_range: LOW:HIGH, the values of images with more than 8 bits that become black and white; by default the
            range of the training images.
        max_pixels: an image with more pixels is not read.
    """

    labels: str | None = None
    on_bad: Literal["skip", "fail"] = "skip"
    groups: str = "auto"
    splits: str = "auto"
    classes: str | None = None
    value_range: str | None = None
    max_pixels: int = PIXEL_LIMIT

    def changed_options(self) -> dict[str, Any]:
        """Returns the options that differ from their defaults."""
        usual = asdict(Reading())
        return {name: value for name, value in asdict(self).items() if value != usual[name]}

    def options(self) -> dict[str, Any]:
        """Returns them as options of `open_source`."""
        names = None if self.classes is None else [n.strip() for n in self.classes.split(",") if n.strip()]
        return asdict(self) | {"classes": names}


def open_source(
    text: str,
    *,
    seed: int = 0,
    on_bad: Literal["skip", "fail"] = "skip",
    labels: str | Path | None = None,
    groups: str = "auto",
    splits: str = "auto",
    classes: Sequence[str] | None = None,
    value_range: str | Sequence[float] | None = None,
    max_pixels: int = PIXEL_LIMIT,
    progress: Progress | None = None,
) -> Source:
    """Opens images with labels, in three splits.

    Args:
        text: `fashion-mini`, `mnist-mini`, `folder:PATH`, `npz:PATH` or `torchvision:NAME[:root=PATH,download=true]`;
            `cluttered:` before a source in memory puts its images among clutter on a larger canvas, with
            options at the end, as in `cluttered:mnist-mini:size=60,pieces=4`.
        seed: cuts the splits that the source does not have: the same seed gives the same splits. It is not the seed
            of a training run: runs to be compared need the same splits.
        on_bad: `skip` leaves out an image that cannot be used and lists it in `Source.account`; `fail` raises an error.
        labels: with folder: only, a CSV file that names the classes of each image, which may have several.
        groups: with folder: only, groups that no cut separates: `folder` for the subfolders inside the classes, `none`,
            or a column of `labels`; `auto` takes subfolders if every class has five or more.
        splits: with folder: only, `none` if every folder is a class, or `train=FOLDER,test=FOLDER`; `auto` takes
            folders with usual names of splits that have class folders inside.
        classes: with folder: only, the only classes; other folders are left out.
        value_range: of images with more than 8 bits, the values that become 0 and 255, as `LOW:HIGH`; by default the
            range of the training images.
        max_pixels: an image with more pixels cannot be used.
        progress: called with the number of image files checked so far and their total.

    Raises:
        UnknownNameError: there is no such source.
        DataError: the source cannot be used; the message has the reason and the remedy.

    Example:
        >>> source = open_source("fashion-mini")
        >>> {split: len(images) for split, images in source.splits.items()}
        {'train': 6000, 'val': 1000, 'test': 2000}
    """
    one_of("open_source", "on_bad", on_bad, ("skip", "fail"))
    at_least("open_source", "max_pixels", max_pixels, 1)
    opening = Opening(
        seed=seed,
        on_bad=on_bad,
        labels=str(labels) if labels is not None else None,
        max_pixels=max_pixels,
        progress=progress,
        groups=groups,
        splits=splits,
        classes=None if classes is None else tuple(classes),
        value_range=parse_range(value_range),
    )
    return assemble(_open(text, opening), opening)


def open_for_scoring(
    text: str,
    known: Sequence[str],
    *,
    fingerprint: str | None = None,
    on_bad: Literal["skip", "fail"] = "skip",
    labels: str | Path | None = None,
    groups: str = "auto",
    splits: str = "auto",
    classes: Sequence[str] | None = None,
    value_range: str | Sequence[float] | None = None,
    max_pixels: int = PIXEL_LIMIT,
    progress: Progress | None = None,
) -> Source:
    """Opens all images of a source, for a network trained on another one, without cutting splits.

    A folder with `test` alone, with a class missing or with few images is fine.

    Args:
        text: as for `open_source`.
        known: the classes of the network, in its order; those of the source are matched by name.
        fingerprint: of the source that the network was trained on; if this is the same source under another name, it
            is opened with the splits of the training.
        on_bad: as for `open_source`, as are `labels`, `splits`, `classes`, `max_pixels` and `progress`.
        labels: see there.
        groups: those of the training, which determine its splits.
        splits: see there.
        classes: see there.
        value_range: of the network's preprocessing.
        max_pixels: see there.
        progress: see there.

    Raises:
        DataError: the source cannot be used, or has a class that the network does not know.

    Example:
        >>> source = open_for_scoring("mnist-mini", tuple(map(str, range(10))))
        >>> len(source.splits["all"])
        9000
    """
    one_of("open_for_scoring", "on_bad", on_bad, ("skip", "fail"))
    opening = Opening(
        on_bad=on_bad,
        labels=str(labels) if labels is not None else None,
        max_pixels=at_least("open_for_scoring", "max_pixels", max_pixels, 1),
        progress=progress,
        groups=groups,
        splits=splits,
        classes=None if classes is None else tuple(classes),
        value_range=parse_range(value_range),
        scoring=True,
        known=tuple(known),
        fingerprint=fingerprint,
    )
    return assemble_for_scoring(_open(text, opening), opening)


def _open(text: str, opening: Opening) -> Holding:
    """Opens the source of that name."""
    scheme, colon, rest = text.strip().partition(":")
    for option in ("labels", "groups", "splits", "classes"):
        value = getattr(opening, option)
        if value not in (None, "auto") and scheme != "folder":
            remedy = "other sources have labels of their own" if option == "labels" else "leave it out"
            raise OptionError(f"{text}: {option}={value!r} goes with folder:PATH only; {remedy}.")
    shipped = {entry.name: entry for entry in SHIPPED}
    if not colon and scheme in shipped:
        return open_shipped(shipped[scheme])
    if colon and scheme == CLUTTERED:
        if not rest.strip():
            raise DataError(f"{text!r} names no source: write one after the colon, as in cluttered:mnist-mini.")
        return open_cluttered(rest.strip(), opening.seed, lambda inner: _open(inner, opening))
    if colon and scheme in SCHEMES:
        if not rest.strip():
            raise DataError(f"{text!r} names no source: write the {_operand(scheme)} after the colon.")
        return SCHEMES[scheme](rest.strip(), opening)
    path = Path(text.strip()).expanduser()
    if text.strip() and path.exists():
        kind, scheme = ("folder", "folder") if path.is_dir() else ("file", "npz")
        raise DataError(f"{text!r} is a {kind}, not the name of a source: write {scheme}:{text.strip()}.")
    raise unknown_name("source", scheme if colon else text.strip(), [*shipped, *SCHEMES, CLUTTERED])


def _operand(scheme: str) -> str:
    return "name of the set" if scheme == "torchvision" else "path"
