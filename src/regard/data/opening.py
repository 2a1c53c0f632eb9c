"""Opens any source by what the user writes on one line."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from regard.core.errors import DataError, OptionError, unknown_name
from regard.core.options import at_least, one_of
from regard.data.checking import Progress
from regard.data.cluttered import open_cluttered
from regard.data.folder import open_folder
from regard.data.npz import open_npz
from regard.data.reading import PIXEL_LIMIT
from regard.data.shipped import SHIPPED, open_shipped
from regard.data.source import Opening, Source
from regard.data.torchvision_sets import open_torchvision

SCHEMES: Mapping[str, Callable[[str, Opening], Source]] = {
    "folder": open_folder,
    "npz": open_npz,
    "torchvision": open_torchvision,
}

CLUTTERED = "cluttered"


def open_source(
    text: str,
    *,
    seed: int = 0,
    on_bad_image: Literal["skip", "fail"] = "skip",
    labels: str | Path | None = None,
    max_pixels: int = PIXEL_LIMIT,
    progress: Progress | None = None,
) -> Source:
    """Pictures with labels, in three splits.

    Args:
        text: `fashion-mini`, `mnist-mini`, `folder:PATH`, `npz:PATH` or `torchvision:NAME[:root=PATH,download=true]`;
            `cluttered:` before any of them that lies in memory puts its images among clutter on a larger canvas, with
            options at the end, as in `cluttered:mnist-mini:size=60,pieces=4`.
        seed: cuts the splits that the source does not have: the same seed gives the same splits. It is not the seed
            of a training run: runs to be compared need the same splits.
        on_bad_image: whether a picture that cannot be used is left out and listed in `Source.skipped`, or an error.
        labels: with folder: only, a CSV file that names the classes of each picture, which may have several.
        max_pixels: a picture with more pixels cannot be used.
        progress: is told how many pictures of how many have been looked at, where they lie in files.

    Raises:
        UnknownNameError: there is no such source.
        DataError: the source cannot be used; says what is wrong and what to do.

    Example:
        >>> source = open_source("fashion-mini")
        >>> {split: len(pictures) for split, pictures in source.splits.items()}
        {'train': 6000, 'val': 1000, 'test': 2000}
    """
    one_of("open_source", "on_bad_image", on_bad_image, ("skip", "fail"))
    at_least("open_source", "max_pixels", max_pixels, 1)
    opening = Opening(seed, on_bad_image, str(labels) if labels is not None else None, max_pixels, progress)
    scheme, colon, rest = text.strip().partition(":")
    if labels is not None and scheme != "folder":
        raise OptionError(
            f"{text}: labels={str(labels)!r} goes with folder:PATH only; other sources have labels of their own."
        )
    shipped = {entry.name: entry for entry in SHIPPED}
    if not colon and scheme in shipped:
        return open_shipped(shipped[scheme], opening)
    if colon and scheme == CLUTTERED:
        if not rest.strip():
            raise DataError(f"{text!r} names no source: write one after the colon, as in cluttered:mnist-mini.")
        return open_cluttered(rest.strip(), opening, partial(open_source, seed=seed, progress=progress))
    if colon and scheme in SCHEMES:
        if not rest.strip():
            raise DataError(f"{text!r} names no source: write the {_operand(scheme)} after the colon.")
        return SCHEMES[scheme](rest.strip(), opening)
    path = Path(text.strip()).expanduser()
    if text.strip() and path.exists():
        what, right = ("folder", "folder") if path.is_dir() else ("file", "npz")
        raise DataError(f"{text!r} is a {what}, not the name of a source: write {right}:{text.strip()}.")
    raise unknown_name("source", scheme if colon else text.strip(), [*shipped, *SCHEMES, CLUTTERED])


def _operand(scheme: str) -> str:
    return "name of the set" if scheme == "torchvision" else "path"
