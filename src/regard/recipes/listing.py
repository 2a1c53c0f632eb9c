"""The list of mechanisms, as a table that fits the window, or as JSON for programs."""

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from regard.core import Facts
from regard.recipes.mechanism_cost import MapFacts, MechanismSize, forms_of
from regard.recipes.shapes import format_shape
from regard.report.numerals import count

WIDE = 112
"""The smallest width of a window, in columns, that has room for the papers' titles."""


@dataclass(frozen=True)
class Listing:
    """The facts and sizes of the selected mechanisms, in the order of the catalogue; controls last.

    Attributes:
        mechanisms: facts of each mechanism.
        controls: facts of each control.
        sizes: cost of each, by name.
    """

    mechanisms: tuple[Facts, ...]
    controls: tuple[Facts, ...]
    sizes: dict[str, MechanismSize]

    def __rich__(self) -> RenderableType:
        """Returns a table with one row for each mechanism."""
        if not self.mechanisms and not self.controls:
            return Text("No mechanism matches: `regard list` shows all.")
        return _Table(self)

    def records(self) -> list[dict[str, Any]]:
        """Returns all facts of the mechanisms and their maps for JSON; an infinite bound of a map is None."""
        return [
            _record(facts, self.sizes[facts.name], is_control=facts in self.controls)
            for facts in (*self.mechanisms, *self.controls)
        ]


@dataclass(frozen=True)
class JsonListing:
    """A list of mechanisms whose text is JSON."""

    records: list[dict[str, Any]]

    def __str__(self) -> str:
        """Returns one JSON array with a record for each mechanism."""
        return json.dumps(self.records, indent=1, ensure_ascii=False, allow_nan=False)


class _Table:
    """The table, laid out for the width of the window."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yields the table and a note on its numbers."""
        listing, wide = self._listing, options.max_width >= WIDE
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        for name in ("name", "family", "kind", "at"):
            table.add_column(name, no_wrap=True)
        for name in ("parameters" if wide else "params", "MACs (M)"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("paper", overflow="fold")
        before = ""
        for facts in (*listing.mechanisms, *listing.controls):
            family = "control" if facts in listing.controls else facts.family
            if before not in ("", family):
                table.add_row()
            before = family
            table.add_row(*self._cells(facts, family, wide=wide))
        yield table
        yield Text(f"\n{self._footnote()}", style="dim")

    def _cells(self, facts: Facts, family: str, *, wide: bool) -> list[RenderableType]:
        size = self._listing.sizes[facts.name]
        paper = "what a mechanism has to beat" if family == "control" else _paper(facts, wide=wide)
        return [facts.name, family, facts.kind, facts.at, count(size.parameters), millions(size.macs), Text(paper)]

    def _named(self, names: list[str]) -> str:
        """The names, or the family where they are all of it that is listed."""
        family = {facts.name: facts.family for facts in self._listing.mechanisms}
        whole = [name for name in family if name in names or family[name] == family.get(names[0])]
        return f"those of the family {family[names[0]]}" if len(names) > 1 and whole == names else ", ".join(names)

    def _footnote(self) -> str:
        shapes: dict[str, list[str]] = {}
        for name, size in self._listing.sizes.items():
            shapes.setdefault(format_shape(size.shape), []).append(name)
        most = max(shapes, key=lambda shape: len(shapes[shape]))
        others = [f"{self._named(names)} at {shape}" for shape, names in shapes.items() if shape != most]
        counted = "; ".join(
            [f"Parameters, and millions of multiply-adds in layers and matrix products, at {most}", *others]
        )
        return f"{counted}. `regard show NAME` explains a mechanism."


def millions(number: int) -> str:
    """Formats a count in millions, small ones with two digits.

    >>> [millions(n) for n in (0, 8192, 27354112, 2928672768)]
    ['0', '0.0082', '27.4', '2,929']
    """
    value = number / 1e6
    if value == 0 or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def _paper(facts: Facts, *, wide: bool) -> str:
    paper = facts.paper
    if wide:
        return f"{paper.title}, {paper.venue} {paper.year}"
    authors = paper.authors.split(" and ")
    return f"{authors[0].split()[-1]}{' et al.' if len(authors) > 1 else ''} {paper.year}"


def _record(facts: Facts, size: MechanismSize, *, is_control: bool) -> dict[str, Any]:
    return {
        **asdict(facts),
        "paper": {**asdict(facts.paper), "url": facts.paper.url},
        "inputs": [{"name": i.name, "shape": i.shape, "optional": i.optional} for i in facts.inputs],
        "maps": [_map(seen) for seen in forms_of(facts.name, size.shape).maps],
        "parameters_formula": facts.parameters,
        "is_control": is_control,
        "shape": size.shape,
        "parameters": size.parameters,
        "macs": size.macs,
    }


def _map(seen: MapFacts) -> dict[str, Any]:
    bounds = {name: value if math.isfinite(value) else None for name, value in (("low", seen.low), ("high", seen.high))}
    return asdict(seen) | bounds
