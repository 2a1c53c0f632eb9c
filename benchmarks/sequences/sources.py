"""The data of each row, as files that `regard train` reads: made by a program, or cut from a public set."""

import re
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from benchmarks.sequences.dates import dates, write
from regard.core.seeding import key
from regard.data.pairs import normalise

Pair = tuple[str, str]

SHARES = {"phonemes": (0.90, 0.02), "translation": (0.92, 0.03)}
"""Training and validation; the rest is tested."""


def dates_source(folder: Path, raw: Path, *, quick: bool) -> str:
    """Dates in 24 languages; splits are cut by a hash of each."""
    return f"tsv:{write(folder / 'dates.tsv', dates(4000 if quick else 20000))}"


def phonemes_source(folder: Path, raw: Path, *, quick: bool) -> str:
    """The CMU pronouncing dictionary, from `cmudict.tsv`: without stress, every pronunciation of a word a line."""
    pairs = [(re.sub(r"\(\d+\)$", "", word), re.sub(r"\d", "", said)) for word, said in _read(raw / "cmudict.tsv")]
    return _cut(folder, list(dict.fromkeys(pairs)), "phonemes", quick=quick, options="target=phonemes,longest=60")


def translation_source(folder: Path, raw: Path, *, quick: bool) -> str:
    """Messages of free programs in English and German, from `en_de.tsv`."""
    options = f"source=pairs,target=pairs,symbols={1000 if quick else 6000},longest=200"
    return _cut(folder, _read(raw / "en_de.tsv"), "translation", quick=quick, options=options)


SOURCES: dict[str, Callable[..., str]] = {
    "dates": dates_source,
    "phonemes": phonemes_source,
    "translation": translation_source,
}


def split_of(row: str, source: str) -> str:
    """The split of a source by a fixed hash of its letters, so that no near copy of it is in another one.

    >>> {split_of("phonemes", word) for word in ("it's", "its")}
    {'train'}
    """
    train, val = SHARES[row]
    drawn = key(row, normalise(source)) / 2**63
    return "train" if drawn < train else "val" if drawn < train + val else "test"


def _cut(folder: Path, pairs: Sequence[Pair], row: str, *, quick: bool, options: str) -> str:
    """A folder with the three splits, and how it is read."""
    splits: dict[str, list[Pair]] = {"train": [], "val": [], "test": []}
    for pair in pairs:
        splits[split_of(row, pair[0])].append(pair)
    for split, part in splits.items():
        few = list(islice(part, 0, None, max(1, len(part) // (4000 if split == "train" else 200)))) if quick else part
        write(folder / row / f"{split}.tsv", few)
    return f"tsv:{folder / row}:{options}"


def _read(path: Path) -> list[Pair]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(source, target) for source, target in (line.split("\t") for line in lines if line.count("\t") == 1)]
