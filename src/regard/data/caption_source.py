"""`captions:PATH[:target=words]`: a folder of images with a table of texts about them."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch

from regard.core.errors import DataError, OptionError
from regard.core.options import at_least, one_of
from regard.core.spec import Spec
from regard.core.vocabulary import Units
from regard.data.account import LeftOut, Tally, printable
from regard.data.caption_table import CaptionLine, find_table, read_captions
from regard.data.captions import Captions, CaptionSource, captions_fingerprint
from regard.data.checking import Progress, check_images
from regard.data.depth import ValueRange
from regard.data.files import FileImages
from regard.data.listing import find_images
from regard.data.reading import PIXEL_LIMIT
from regard.data.resolving import Resolver
from regard.data.source import SHARES, SPLITS, Split, apply_value_range
from regard.data.splits import cut

SCHEME = "captions"
"""The scheme."""


@dataclass(frozen=True)
class CaptionLayout:
    """The options behind the path.

    Attributes:
        target: what a symbol of a text is: `words`, `characters`, `phonemes` or byte `pairs`.
        symbols: the most words or byte pairs of the vocabulary.
        longest: a text with more characters is left out.
    """

    target: Units = "words"
    symbols: int = 8000
    longest: int = 1000

    def __post_init__(self) -> None:
        one_of(SCHEME, "target", self.target, get_args(Units))
        at_least(SCHEME, "symbols", self.symbols, 300)
        at_least(SCHEME, "longest", self.longest, 1)


@dataclass(frozen=True)
class _Read:
    """The usable images of a folder, the texts of each, and what became of every line of the table."""

    folder: Path
    images: FileImages
    texts: list[list[str]]
    splits: list[Split | None]
    tally: Tally
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def part(self, indices: Sequence[int], *, once: bool) -> Captions:
        """The captions of these images."""
        images = self.images.take(torch.tensor(indices, dtype=torch.int64))
        return Captions.of(images, [self.texts[i] for i in indices], each_image_once=once)

    def lines(self, indices: Sequence[int]) -> int:
        """The number of lines about these images."""
        return sum(len(self.texts[i]) for i in indices)


def open_captions(
    data: str,
    *,
    seed: int = 0,
    on_bad: Literal["skip", "fail"] = "skip",
    max_pixels: int = PIXEL_LIMIT,
    value_range: ValueRange | None = None,
    progress: Progress | None = None,
) -> CaptionSource:
    """Images with texts, in three splits; an image and all of its texts are in one of them.

    Args:
        data: `captions:PATH`, options behind it as in `captions:photos:target=characters`, see `CaptionLayout`. The
            path is a folder with images and captions.tsv or captions.csv, whose columns are file, caption and, where
            the splits are not to be cut, split. An image may have several lines: all of its texts are right.
        seed: cuts the splits that are missing, by image.
        on_bad: whether a line that cannot be used, by its text or by its image, is left out and listed in `account`, or
            an error.
        max_pixels: an image with more pixels cannot be used.
        value_range: see `Source`.
        progress: called with the number of images checked so far and their total.

    Raises:
        OptionError: an option that does not exist, or is out of its range.
        DataError: there is no such folder or table, or too few images; with `on_bad="fail"` also the first line that
            cannot be used.
    """
    one_of("open_captions", "on_bad", on_bad, ("skip", "fail"))
    folder, layout = parse_captions(data)
    read = _read(folder, layout, on_bad, max_pixels, progress)
    numbers: dict[Split, list[int]] = {
        split: [i for i, own in enumerate(read.splits) if own == split or (own is None and split == "train")]
        for split in SPLITS
    }
    cuts = [split for split in SPLITS[1:] if not numbers[split]]
    notes = read.notes
    if cuts and numbers["train"]:
        notes += (_cut(read, numbers, cuts, seed),)
    for split, own in numbers.items():
        if not own:
            first = f" The first line that cannot be used: {read.tally.left_out[0]}." if read.tally.left_out else ""
            raise DataError(
                f"{folder} holds too few images with captions to make the split {split!r} of them.{first} Add images, "
                "or a column split to its table."
            )
    return _source(data, layout, read, numbers, notes, value_range)


def open_captions_to_score(
    data: str,
    *,
    on_bad: Literal["skip", "fail"] = "skip",
    max_pixels: int = PIXEL_LIMIT,
    value_range: ValueRange | None = None,
    progress: Progress | None = None,
) -> CaptionSource:
    """All images of a source, for a network that was trained on another one; see `open_captions`."""
    folder, layout = parse_captions(data)
    read = _read(folder, layout, on_bad, max_pixels, progress)
    numbers: dict[Split, list[int]] = {"all": list(range(len(read.images)))}
    return _source(data, layout, read, numbers, read.notes, value_range)


def parse_captions(data: str) -> tuple[Path, CaptionLayout]:
    """The folder and the options behind it.

    >>> parse_captions("captions:photos:target=characters")
    (PosixPath('photos'), CaptionLayout(target='characters', symbols=8000, longest=1000))
    """
    text = data.strip().removeprefix(f"{SCHEME}:")
    path, _, options = text.rpartition(":")
    if not path or not re.fullmatch(r"\w+=[^,]*(,\w+=[^,]*)*", options):
        path, options = text, ""
    if not path.strip():
        raise DataError(f"{data!r} names no folder: write its path after the colon, as in captions:photos.")
    given, known = Spec.parse(f"{SCHEME}:{options}").options, list(CaptionLayout.__dataclass_fields__)
    for name in given:
        if name not in known:
            raise OptionError(f"{data}: there is no option {name!r}; there are {', '.join(known)}.")
    return Path(path.strip()).expanduser(), CaptionLayout(**given)  # type: ignore[arg-type]


def _read(
    folder: Path, layout: CaptionLayout, on_bad: Literal["skip", "fail"], max_pixels: int, progress: Progress | None
) -> _Read:
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}: name a folder with images and captions.tsv.")
    table, walked = find_table(folder), find_images(folder)
    resolver, tally = Resolver(folder, walked.images), Tally(unit="line")
    lines: dict[str, list[CaptionLine]] = {}
    bad: list[tuple[CaptionLine, str]] = []
    for line in read_captions(table, layout.longest):
        tally.found += 1
        if line.reason:
            bad.append((line, line.reason))
        else:
            lines.setdefault(resolver.find(line.file), []).append(line)
    files = list(lines)
    checked = check_images(folder, files, max_pixels=max_pixels, progress=progress)
    reasons = {
        file: _image_reason(folder, file, lines[file], found.reason) for file, found in zip(files, checked, strict=True)
    }
    bad += [(line, reason) for file, reason in reasons.items() if reason for line in lines[file]]
    _leave_out(table, sorted(bad, key=lambda pair: pair[0].number), on_bad, tally)
    kept = [n for n, file in enumerate(files) if not reasons[file]]
    if not kept:
        first = f" The first: {tally.left_out[0]}." if tally.left_out else ""
        raise DataError(f"{table} holds no line that can be used.{first}")
    good = [checked[n] for n in kept]
    images = FileImages(
        folder,
        [files[n] for n in kept],
        torch.zeros(len(kept), dtype=torch.int64),
        good,
        channels=1 if all(image.grey for image in good) else 3,
        max_pixels=max_pixels,
    )
    unnamed = {path.relative_to(folder).as_posix() for path in walked.images} - set(files)
    warning = f"{len(unnamed):,} images below {printable(folder)} are not in {table.name} and were left out."
    return _Read(
        folder=folder,
        images=images,
        texts=[[line.text for line in lines[files[n]]] for n in kept],
        splits=[lines[files[n]][0].split for n in kept],
        tally=tally,
        notes=resolver.notes(),
        warnings=(warning,) if unnamed else (),
    )


def _image_reason(folder: Path, file: str, lines: Sequence[CaptionLine], fault: str | None) -> str:
    """Why an image cannot be used; empty where it can."""
    if fault is not None:
        return f"the image {printable(folder / file)} cannot be used: {fault}"
    if len({line.split for line in lines}) > 1:
        splits = " and ".join(sorted({str(line.split) for line in lines}))
        return f"its image is in several splits, {splits}"
    return ""


def _leave_out(
    table: Path, bad: Sequence[tuple[CaptionLine, str]], on_bad: Literal["skip", "fail"], tally: Tally
) -> None:
    for line, reason in bad:
        entry = LeftOut(f"{printable(table)}:{line.number}", reason)
        if on_bad == "fail":
            raise DataError(f"{entry}. Leave such lines out with --on-bad skip, or mend them.")
        tally.left_out.append(entry)


def _cut(read: _Read, numbers: dict[Split, list[int]], cuts: Sequence[Split], seed: int) -> str:
    """Cuts the splits that are missing from the training images; a note on them."""
    own = numbers["train"]
    train = read.images.take(torch.tensor(own))
    indices = cut(train.labels, {split: SHARES[split] for split in cuts}, seed=seed, contents=train.contents())
    numbers["train"] = [own[i] for i in indices["rest"].tolist()]
    for split in cuts:
        numbers[split] = [own[i] for i in indices[split].tolist()]
    made = " and ".join(f"{split} ({len(numbers[split]):,} images)" for split in cuts)
    return f"Cut by image, with seed {seed}: {made}."


def _source(
    data: str,
    layout: CaptionLayout,
    read: _Read,
    numbers: dict[Split, list[int]],
    notes: tuple[str, ...],
    value_range: ValueRange | None,
) -> CaptionSource:
    splits = {split: read.part(own, once=split != "train") for split, own in numbers.items()}
    ranged, chosen, deep = apply_value_range({s: part.images for s, part in splits.items()}, value_range)
    splits = {s: Captions(ranged[s], part.targets, part.references) for s, part in splits.items()}
    return CaptionSource(
        name=printable(data),
        splits=splits,
        channels=read.images.channels,
        target_units=layout.target,
        symbols=layout.symbols,
        limit=layout.longest,
        fingerprint=captions_fingerprint(splits),
        account=read.tally.settle({split: read.lines(own) for split, own in numbers.items()}),
        value_range=chosen,
        warnings=(*read.warnings, *_shared(splits), *deep),
        notes=notes,
    )


def _shared(splits: dict[Split, Captions]) -> list[str]:
    """Warnings of images that are in two splits."""
    counted = Counter(content for part in splits.values() for content in set(part.images.contents() or ()))
    shared = sum(count > 1 for count in counted.values())
    return [f"{shared:,} images are in more than one split: what is measured there is too good."] * (shared > 0)
