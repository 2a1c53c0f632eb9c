"""What mechanisms there are, what each is, and how to cite it: all derived from the facts on the classes."""

import inspect
import re
from dataclasses import dataclass
from typing import get_args

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from regard.attention import CATALOGUE, CONTROLS, create, find
from regard.core import Facts, Mechanism, OptionError, Paper, Spec
from regard.core.facts import Family, Kind

_PLACES = {
    "residual": "after the last normalisation of a residual branch",
    "stage": "between two stages",
    "conv": "in place of a 3x3 convolution with its normalisation and ReLU",
    "kernel": "in place of a 3x3 convolution",
    "head": "in place of the pooling before the classifier",
}


@dataclass(frozen=True)
class Option:
    """One option of a mechanism: its name, its default, what it is."""

    name: str
    default: object
    text: str


@dataclass(frozen=True)
class Listing:
    """The facts of the mechanisms asked for, in the order of the catalogue; controls last."""

    mechanisms: tuple[Facts, ...]
    controls: tuple[Facts, ...]

    def __rich__(self) -> RenderableType:
        """A table of one row for each mechanism."""
        if not self.mechanisms and not self.controls:
            return Text("There is none of that kind yet: `regard list` shows what there is.")
        table = Table("name", "family", "kind", "act", "where", "paper", box=None, header_style="bold", pad_edge=False)
        for facts in self.mechanisms:
            paper = f"{facts.paper.title}, {facts.paper.venue} {facts.paper.year}"
            table.add_row(facts.name, facts.family, facts.kind, facts.act, facts.at, Text(paper))
        for facts in self.controls:
            table.add_row(facts.name, "control", facts.kind, facts.act, facts.at, "what a mechanism has to beat")
        return table


@dataclass(frozen=True)
class Profile:
    """Everything about one mechanism.

    Attributes:
        facts: as the class states them.
        text: its docstring up to the list of options: a sentence, the formula, the paper.
        options: besides `channels`.
        parameters: the number of parameters for a number of channels.
    """

    facts: Facts
    text: str
    options: tuple[Option, ...]
    parameters: dict[int, int]

    def __rich__(self) -> RenderableType:
        """A page to read."""
        facts, paper = self.facts, self.facts.paper
        rows = {
            "family": f"{facts.family}, {facts.kind}, {facts.act}",
            "belongs": _PLACES[facts.at],
            "takes": f"{' or '.join(f'{d}-D' for d in facts.dims)} features (b, c, ...)",
            "map": f"from {facts.map_range[0]:g} to {facts.map_range[1]:g}; {_number(facts.neutral)} does nothing",
            "parameters": "; ".join(f"{n:,} with {c} channels" for c, n in self.parameters.items()),
            "paper": f"{paper.title}. {paper.authors.replace(' and ', ', ')}. {paper.venue} {paper.year}. {paper.url}",
            "code": facts.authors_code or "the authors published none",
        }
        if facts.nondeterministic:
            rows["on CUDA"] = f"not deterministic: {facts.nondeterministic}"
        parts: list[RenderableType] = [Text(facts.name, style="bold"), Text(f"\n{self.text}\n"), _grid(rows)]
        if self.options:
            options = {f"{o.name}={o.default}": o.text for o in self.options}
            parts += [Text(f"\nOptions, as in {facts.name}:{self.options[0].name}=..."), _grid(options)]
        if facts.departures:
            parts += [Text("\nWhere this differs from the paper or the authors' code")]
            parts += [Padding(Text(departure), (0, 0, 0, 2), expand=False) for departure in facts.departures]
        return Group(*parts)


@dataclass(frozen=True)
class Citations:
    """Papers with their BibTeX keys, each paper once."""

    papers: dict[str, Paper]

    def __str__(self) -> str:
        """The BibTeX entries."""
        return "\n\n".join(paper.bibtex(key) for key, paper in self.papers.items())


def list_mechanisms(*, family: Family | None = None, kind: Kind | None = None) -> Listing:
    """Lists the attention mechanisms, with their papers.

    Args:
        family: only those that weigh this.
        kind: only soft or only hard ones.

    Returns:
        The facts of each.

    Example:
        >>> [facts.name for facts in list_mechanisms(family="mixed").mechanisms][0]
        'cbam'
    """
    _allowed("family", family, get_args(Family))
    _allowed("kind", kind, get_args(Kind))
    kept = [m.facts for m in CATALOGUE if family in (None, m.facts.family) and kind in (None, m.facts.kind)]
    controls = [m.facts for m in CONTROLS] if family is None and kind is None else []
    return Listing(tuple(kept), tuple(controls))


def show(mechanism: str) -> Profile:
    """Explains one mechanism: its formula, paper, options, size, and where ours differs from the paper.

    Args:
        mechanism: its name; with options, as in cbam:reduction=8, the counted parameters follow them.

    Returns:
        Its profile.

    Raises:
        UnknownNameError: no such mechanism.
        OptionError: no such option, or a value it does not allow.

    Example:
        >>> show("se").parameters
        {64: 580, 256: 8464}
    """
    spec = Spec.parse(mechanism)
    kind = find(spec.name)
    counts = {c: sum(p.numel() for p in create(spec, channels=c).parameters()) for c in (64, 256)}
    text, options = _docstring(kind)
    return Profile(kind.facts, text, options, counts)


def cite(mechanisms: tuple[str, ...]) -> Citations:
    """Prints the BibTeX entries of the papers behind mechanisms, each paper once.

    Args:
        mechanisms: their names.

    Returns:
        The papers.

    Raises:
        UnknownNameError: no such mechanism.

    Example:
        >>> list(cite(("cbam", "cbam_spatial")).papers)
        ['woo2018cbam']
    """
    papers: dict[str, Paper] = {}
    for name in mechanisms:
        paper = find(Spec.parse(name).name).facts.paper
        papers.setdefault(_key(paper), paper)
    return Citations(papers)


def _key(paper: Paper) -> str:
    """Family name, year and first word, as in `woo2018cbam`."""
    family = paper.authors.split(" and ")[0].split()[-1]
    first = re.split(r"[\s:-]", paper.title)[0]
    return re.sub(r"\W", "", f"{family}{paper.year}{first}").lower()


def _docstring(mechanism: type[Mechanism]) -> tuple[str, tuple[Option, ...]]:
    """The text before `Args:` and the options with what the docstring says of them."""
    text, _, rest = (inspect.getdoc(mechanism) or "").partition("\nArgs:\n")
    section = rest.partition("\n\n")[0]
    said = {
        name: " ".join(words.split())
        for name, words in re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, flags=re.MULTILINE)
    }
    parameters = list(inspect.signature(mechanism).parameters.values())[1:]
    return text.strip(), tuple(Option(p.name, p.default, said.get(p.name, "")) for p in parameters)


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _allowed(option: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise OptionError(f"{option}={value!r} is not allowed; choose one of {', '.join(choices)}.")


def _grid(rows: dict[str, str]) -> RenderableType:
    table = Table.grid(padding=(0, 3))
    table.add_column(no_wrap=True)
    for name, text in rows.items():
        table.add_row(Text(name), Text(text))
    return Padding(table, (0, 0, 0, 2), expand=False)
