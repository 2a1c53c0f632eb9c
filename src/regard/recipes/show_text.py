"""`regard data show` for texts: the contents of a source of pairs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from regard.core.files import as_bytes, write_whole
from regard.data import Account, Reading, TextCode
from regard.recipes.texts import open_pairs

_LISTED = 20
_SHOWN = 5


@dataclass(frozen=True)
class TextSummary:
    """The contents of a source of texts.

    Attributes:
        name: name of the source.
        texts: number of examples, by split.
        units: what a symbol is, of sources and of targets.
        symbols: number of different symbols of sources and of targets in the training split.
        lengths: shortest, median and longest training source and target, in symbols.
        several: number of sources with several targets.
        examples: the first training pairs.
        account: which lines were read, and which left out.
        warnings: problems that may make results unreliable.
        notes: decisions made in opening the source.
        fingerprint: a hash of splits and contents.
    """

    name: str
    texts: Mapping[str, int]
    units: tuple[str, str]
    symbols: tuple[int, int]
    lengths: tuple[tuple[int, int, int], tuple[int, int, int]]
    several: int
    examples: tuple[tuple[str, str], ...]
    account: Account
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    fingerprint: str

    def __rich__(self) -> RenderableType:
        """Returns the first pairs, then the facts."""
        pairs = Table("source", "target", box=None, header_style="bold", pad_edge=False)
        for source, target in self.examples:
            pairs.add_row(Text(source), Text(target))
        facts = Table.grid(padding=(0, 2))
        for label, text in self._facts().items():
            facts.add_row(Text(label, style="bold"), Text(text))
        remarks = [Text(f"Warning: {warning}", style="yellow") for warning in self.warnings]
        return Group(Text(self.name, style="bold"), "", pairs, "", facts, *remarks)

    def _facts(self) -> dict[str, str]:
        sides = zip(("source", "target"), self.units, self.symbols, self.lengths, strict=True)
        described = {
            f"{side}s": f"{units}, {symbols:,} different ones; from {low} to {high} in a text, the median {middle}"
            for side, units, symbols, (low, middle, high) in sides
        }
        return described | {
            "texts": ", ".join(f"{split} {count:,}" for split, count in self.texts.items()),
            "several targets": f"{self.several:,} sources",
            "splits": " ".join(self.notes) or "as they come with the source",
            "fingerprint": self.fingerprint,
            "lines": "\n".join(self.account.lines(_LISTED)),
        }


def show_text(source: str, out: Path, reading: Reading, *, seed: int = 0) -> TextSummary:
    """Describes a source of texts and writes `summary.json` into a folder.

    Raises:
        RegardError: the source cannot be used, or the folder cannot be written to.
    """
    opened = open_pairs(source, reading, seed=seed)
    code, train = TextCode.learn(opened), opened.splits["train"]
    found = TextSummary(
        name=opened.name,
        texts={str(split): len(pairs) for split, pairs in opened.splits.items()},
        units=(opened.source_units, opened.target_units),
        symbols=(len(code.source), len(code.target)),
        lengths=(_lengths(code.source.encode(train.sources)), _lengths(code.target.encode(train.targets))),
        several=sum(
            len({source for source, right in zip(pairs.sources, pairs.references, strict=True) if len(right) > 1})
            for pairs in opened.splits.values()
        ),
        examples=tuple(zip(train.sources[:_SHOWN], train.targets[:_SHOWN], strict=True)),
        account=opened.account,
        warnings=opened.warnings,
        notes=opened.notes,
        fingerprint=opened.fingerprint,
    )
    record = asdict(found) | {"account": found.account.to_json()}
    write_whole(out / "summary.json", as_bytes(json.dumps(record, indent=1, ensure_ascii=False)))
    return found


def _lengths(rows: list[list[int]]) -> tuple[int, int, int]:
    """Returns the shortest, the median and the longest, without `END`."""
    lengths = [len(row) - 1 for row in rows]
    return min(lengths), int(median(lengths)), max(lengths)
