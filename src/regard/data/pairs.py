"""Texts with what they are to become, in three splits."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from unicodedata import normalize

import torch

from regard.core.seeding import key
from regard.core.vocabulary import Units
from regard.data.account import Account
from regard.data.source import SPLITS, Split


@dataclass(frozen=True, eq=False)
class Pairs:
    """Texts, each with one that it is to become.

    Attributes:
        sources: n texts.
        targets: for each the text that is learnt.
        references: for each every text that is right, its target first.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.sources)

    @classmethod
    def of(cls, pairs: Sequence[tuple[str, str]], *, each_source_once: bool = False) -> "Pairs":
        """The pairs, each with all targets that its source has among them.

        Args:
            pairs: source and target.
            each_source_once: whether a source with several targets is one example, as when answers are scored.

        Example:
            >>> Pairs.of([("a", "1"), ("b", "2"), ("a", "3")], each_source_once=True)
            Pairs(sources=('a', 'b'), targets=('1', '2'), references=(('1', '3'), ('2',)))
        """
        every: dict[str, dict[str, None]] = {}
        for source, target in pairs:
            every.setdefault(source, {})[target] = None
        chosen = [(source, next(iter(targets))) for source, targets in every.items()] if each_source_once else pairs
        return cls(
            tuple(source for source, _ in chosen),
            tuple(target for _, target in chosen),
            tuple((target, *(other for other in every[source] if other != target)) for source, target in chosen),
        )

    def take(self, indices: Sequence[int]) -> "Pairs":
        """These pairs."""
        chosen = (tuple(column[i] for i in indices) for column in (self.sources, self.targets, self.references))
        return Pairs(*chosen)  # type: ignore[arg-type]

    def subset(self, count: int, *, seed: int) -> "Pairs":
        """`count` random pairs, in their order; all of them where there are no more."""
        if count >= len(self):
            return self
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(key("pick", seed)))
        return self.take(sorted(order[:count].tolist()))


@dataclass(frozen=True, eq=False)
class TextSource:
    """Pairs of texts in three splits.

    Attributes:
        name: what it was opened as.
        splits: `train`, `val` and `test`, each with at least one pair; where the source was opened to be scored, `all`.
        source_units: what a symbol of a source is.
        target_units: what a symbol of a target is.
        symbols: the most words or byte pairs of a vocabulary.
        limit: the most characters of a text.
        fingerprint: a hash of every pair in each split.
        account: what became of every line.
        warnings: what may spoil a result, a sentence each.
        notes: what was decided in opening it, a sentence each.
        licence: the notice that comes with the texts; empty where none is known.
    """

    name: str
    splits: Mapping[Split, Pairs]
    source_units: Units
    target_units: Units
    symbols: int
    limit: int
    fingerprint: str
    account: Account
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    licence: str = ""


def normalise(source: str) -> str:
    """Returns the letters and digits of a source in one case: sources that agree in them are near copies.

    >>> normalise("Save  the File!"), normalise("--")
    ('savethefile', '--')
    """
    kept = "".join(letter for letter in normalize("NFKC", source).casefold() if letter.isalnum())
    return kept or source


def split_of(source: str, shares: Mapping[Split, float], *, seed: int) -> Split:
    """The split of a source by a hash of what `normalise` leaves: other lines of a file change nothing.

    >>> [split_of(text, {"val": 0.5}, seed=0) for text in ("a b", "A  B.", "one")]
    ['train', 'train', 'val']
    """
    drawn = key("split", seed, normalise(source)) / 2**63
    for split, share in shares.items():
        if drawn < share:
            return split
        drawn -= share
    return "train"


def fingerprint_of(splits: Mapping[Split, Pairs]) -> str:
    """A hash of every pair in each split."""
    digest = hashlib.blake2b(digest_size=16)
    for split, pairs in splits.items():
        digest.update(repr((split, pairs.sources, pairs.targets, pairs.references)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def shared_sources(splits: Mapping[Split, Pairs]) -> list[str]:
    """Warnings of sources that are in two splits, but for case and punctuation."""
    known = {split: {normalise(text) for text in splits[split].sources} for split in SPLITS if split in splits}
    said = []
    for one, other in combinations(known, 2):
        if shared := len(known[one] & known[other]):
            said.append(
                f"{shared:,} source{'s are' if shared > 1 else ' is'} both in {one!r} and in {other!r}, but for case "
                "and punctuation: what is measured there is too good by so many. Remove them from one of the two."
            )
    return said
