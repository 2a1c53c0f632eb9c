"""`tsv:PATH[:source=characters,target=words]`: a file with a source, a tab and a target on each line."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args
from unicodedata import normalize

from regard.core.errors import DataError
from regard.core.options import at_least, one_of
from regard.core.vocabulary import Units
from regard.data.account import LeftOut, Tally, printable
from regard.data.pairs import Pairs, TextSource, fingerprint_of, shared_sources, split_of
from regard.data.path_options import parse_path
from regard.data.source import SHARES, SPLITS, Split

TSV = "tsv"
"""The scheme."""

Line = tuple[str, str]


@dataclass(frozen=True)
class Layout:
    """The options behind the path.

    Attributes:
        source: what a symbol of a source is: `characters`, `words`, `phonemes` or byte `pairs`.
        target: the same of a target; `phonemes` are scored as such.
        symbols: the most words or byte pairs of a vocabulary.
        longest: a source or target with more characters is left out.
    """

    source: Units = "characters"
    target: Units = "characters"
    symbols: int = 8000
    longest: int = 1000

    def __post_init__(self) -> None:
        for option in ("source", "target"):
            one_of(TSV, option, getattr(self, option), get_args(Units))
        at_least(TSV, "symbols", self.symbols, 300)
        at_least(TSV, "longest", self.longest, 1)


def open_text(data: str, *, seed: int = 0, on_bad: Literal["skip", "fail"] = "skip") -> TextSource:
    """Pairs of texts, in three splits.

    Args:
        data: `tsv:PATH`, options behind it as in `tsv:words.tsv:target=phonemes`, see `Layout`. The path is a UTF-8
            file, or a folder with train.tsv and, where they are not to be cut from it, val.tsv and test.tsv. A source
            may have several targets, a line for each: all of them are right.
        seed: cuts the splits that are missing, by a hash of each source.
        on_bad: whether a line that cannot be used is left out and listed in `account`, or an error.

    Raises:
        OptionError: an option that does not exist, or is out of its range.
        DataError: there is no such file, none of its lines can be used, or too few for three splits; with
            `on_bad="fail"` also the first line that cannot be used.
    """
    path, layout = _parse(data)
    one_of("open_text", "on_bad", on_bad, ("skip", "fail"))
    tally = Tally(unit="line")
    held = {split: _lines(file, layout, on_bad, tally) for split, file in _files(path).items()}
    shares = {split: SHARES[split] for split in SPLITS[1:] if split not in held}
    parts: dict[Split, list[Line]] = {split: held.get(split, []) for split in SPLITS}
    if shares:
        parts["train"] = []
        for line in held["train"]:
            parts[split_of(line[0], shares, seed=seed)].append(line)
    splits = {split: Pairs.of(parts[split], each_source_once=split != "train") for split in SPLITS}
    for split, pairs in splits.items():
        if not len(pairs):
            raise DataError(_nothing_in(path, split, split in held and not held[split], tally))
    cut = " and ".join(f"{split} ({len(parts[split]):,} lines)" for split in shares)
    return TextSource(
        name=printable(data),
        splits=splits,
        source_units=layout.source,
        target_units=layout.target,
        symbols=layout.symbols,
        limit=layout.longest,
        fingerprint=fingerprint_of(splits),
        account=tally.settle({split: len(lines) for split, lines in parts.items()}),
        warnings=tuple(shared_sources(splits)),
        notes=(f"Cut by a hash of each source, with seed {seed}: {cut}.",) if cut else (),
    )


def open_text_to_score(data: str, *, on_bad: Literal["skip", "fail"] = "skip") -> TextSource:
    """All pairs of a source, for a network that was trained on another one.

    Args:
        data: as for `open_text`; of a folder all files.
        on_bad: see there.

    Raises:
        DataError: as for `open_text`.
    """
    path, layout = _parse(data)
    tally = Tally(unit="line")
    lines = [line for file in _files(path, any_split=True).values() for line in _lines(file, layout, on_bad, tally)]
    splits: dict[Split, Pairs] = {"all": Pairs.of(lines, each_source_once=True)}
    if not lines:
        raise DataError(_nothing_in(path, "all", True, tally))
    return TextSource(
        name=printable(data),
        splits=splits,
        source_units=layout.source,
        target_units=layout.target,
        symbols=layout.symbols,
        limit=layout.longest,
        fingerprint=fingerprint_of(splits),
        account=tally.settle({"all": len(lines)}),
    )


def _parse(data: str) -> tuple[Path, Layout]:
    """The path and the options behind it.

    >>> _parse("tsv:a:b.tsv:target=phonemes,longest=50")
    (PosixPath('a:b.tsv'), Layout(source='characters', target='phonemes', symbols=8000, longest=50))
    """
    return parse_path(data, TSV, Layout, "tsv:dates.tsv")


def _files(path: Path, *, any_split: bool = False) -> dict[Split, Path]:
    """The files of the splits; a single file holds all of them."""
    if not path.exists():
        raise DataError(
            f"There is no file or folder {path}: name a file with a source, a tab and a target on each line."
        )
    if not path.is_dir():
        return {"train": path}
    found: dict[Split, Path] = {
        split: file for split in SPLITS if (file := path / f"{split}.tsv").is_file() and (split, file)
    }
    if not found or ("train" not in found and not any_split):
        raise DataError(f"The folder {path} has no train.tsv: name a .tsv file, or a folder with train.tsv in it.")
    return found


def _lines(file: Path, layout: Layout, on_bad: Literal["skip", "fail"], tally: Tally) -> list[Line]:
    """Source and target of each line that can be used; the others go into the tally."""
    found: list[Line] = []
    for number, raw in _raw_lines(file):
        tally.found += 1
        line = _read(raw, layout)
        if not isinstance(line, str):
            found.append(line)
            continue
        bad = LeftOut(f"{printable(file)}:{number}", line)
        if on_bad == "fail":
            raise DataError(f"{bad}. Leave such lines out with --on-bad skip, or mend them.")
        tally.left_out.append(bad)
    return found


def _raw_lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """The bytes of each line with its number, from 1."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from error
    if not data.strip():
        raise DataError(f"{file} is empty: put a source, a tab and a target on each line.")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{file} is UTF-16: save it as UTF-8.")
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if not lines[-1]:
        lines.pop()
    return ((number, line.removesuffix(b"\r")) for number, line in enumerate(lines, 1))


def _read(raw: bytes, layout: Layout) -> Line | str:
    """Source and target, or why there are none."""
    try:
        text = normalize("NFC", raw.decode())
    except UnicodeDecodeError as error:
        return f"not UTF-8 at byte {error.start + 1}"
    if not text.strip():
        return "an empty line"
    columns = [" ".join(column.split()) for column in text.split("\t")]
    if len(columns) != 2:
        return f"{len(columns)} column{'s' * (len(columns) != 1)} instead of a source, a tab and a target"
    if not all(columns):
        return f"no {'target' if columns[0] else 'source'}"
    if max(map(len, columns)) > layout.longest:
        return f"more than {layout.longest:,} characters"
    return columns[0], columns[1]


def _nothing_in(path: Path, split: Split, given: bool, tally: Tally) -> str:
    bad = f" {len(tally.left_out):,} cannot be used, the first: {tally.left_out[0]}." if tally.left_out else ""
    if given:
        return f"{path} holds no line{'' if split == 'all' else f' of {split!r}'} that can be used.{bad}"
    return (
        f"{path} holds too few sources to make the split {split!r} of them.{bad} Add lines, or name a folder with "
        "train.tsv, val.tsv and test.tsv."
    )
