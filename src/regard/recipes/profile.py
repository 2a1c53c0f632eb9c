"""The page of `regard show`: formula, paper, options, cost and an example of one mechanism."""

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from regard.attention import CONTROLS
from regard.core import Facts, Mechanism, Paper, Spec
from regard.core.layout import Layout
from regard.recipes.mechanism_cost import MapFacts, MechanismForms, MechanismSize
from regard.recipes.shapes import format_shape
from regard.report.numerals import count

SITES = {
    "residual": "after the last normalisation of a residual branch",
    "stage": "between two stages",
    "conv": "instead of a 3x3 convolution with its normalisation and ReLU",
    "kernel": "instead of a 3x3 convolution",
    "head": "instead of the pooling before the classifier",
    "input": "before the first layer, on the input image",
    "decoder": "between an encoder and its decoder, at every step of the decoder",
}
"""The sites of mechanisms in a network, in words."""


PART = {"sample": ".value", "context": ".context"}
"""The part of a result that is no single tensor, by what a mechanism returns."""

START = "`paper` starts as published; `identity` starts without effect, to insert it into a trained network."
"""The description of the option `start`, for which docstrings refer to `Features`."""

TAKES = "one query (b, dq) or several (b, q, dq), keys (b, k, dk), values (b, k, dv), a mask (b, k) or (b, q, k)"
"""What a temporal mechanism takes."""

FORMULA = re.compile(r"[\w', ()^]{1,30} = ")
"""The beginning of a paragraph of formulas."""


@dataclass(frozen=True)
class Option:
    """One option of a mechanism: its name, its default and its description."""

    name: str
    default: object
    text: str


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Everything about one mechanism.

    Attributes:
        spec: its name with the chosen options.
        facts: the facts on its class.
        text: its docstring up to the list of options: a sentence, the formula, the paper.
        options: besides its sizes.
        parameters: number of parameters by number of channels.
        size: cost at the chosen shape.
        forms: shapes of its inputs, output and maps there.
        layouts: libraries whose weights can be loaded.
        key: BibTeX key of its paper, as in `regard cite`.
    """

    spec: Spec
    facts: Facts
    text: str
    options: tuple[Option, ...]
    parameters: dict[int, int]
    size: MechanismSize
    forms: MechanismForms
    layouts: tuple[Layout, ...]
    key: str

    @property
    def is_control(self) -> bool:
        """True if it is a control, which a mechanism has to beat."""
        return self.facts.name in {control.facts.name for control in CONTROLS}

    @property
    def example(self) -> str:
        """Python code that builds it, runs it and observes a map."""
        options = "".join(f", {name}={_literal(value)}" for name, value in sorted(self.spec.options.items()))
        given = ", ".join(f"torch.randn(1, {', '.join(map(str, shape))})" for shape in self.forms.inputs.values())
        output = ", ".join(map(str, (1, *self.forms.output)))
        lines = [
            "import torch",
            "import regard",
            "",
            f'module = regard.create("{self.facts.name}", {self._sizes}{options})',
            "with regard.observe(module.eval()) as maps:",
            f"    y = module({given})",
            f"print(y{PART.get(self.facts.returns, '')}.shape)  # torch.Size([{output}])",
        ]
        for seen in self.forms.maps[:1]:
            lines += [
                f'print(maps["{seen.path}"][0].values.shape)  # torch.Size([{", ".join(map(str, (1, *seen.shape)))}])'
            ]
        return "\n".join(lines)

    @property
    def _sizes(self) -> str:
        channels = self.size.shape[0]
        return f"query_size={channels}, key_size={channels}" if self.is_sequential else f"channels={channels}"

    @property
    def is_sequential(self) -> bool:
        """True if it takes queries and keys instead of features."""
        return self.facts.returns == "context"

    def __rich__(self) -> RenderableType:
        """Returns the page."""
        facts = self.facts
        parts: list[RenderableType] = [
            Text(str(self.spec), style="bold"),
            Text("\n" + "\n\n".join(part for part, _ in paragraphs(self.text)) + "\n"),
        ]
        parts += [_grid(facts_of(self)), _heading(f"At {format_shape(self.size.shape)}"), _grid(costs_of(self))]
        if self.options:
            options = {f"{o.name}={o.default}": o.text for o in self.options}
            parts += [_heading(f"Options, as in {facts.name}:{self.options[0].name}=..."), _grid(options)]
        parts += [_heading("Example"), Padding(Text(self.example), (0, 0, 0, 2), expand=False)]
        if facts.departures:
            parts += [_heading("Departures from the paper or the authors' code")]
            parts += [_rows(("-", departure) for departure in facts.departures)]
        return Group(*parts)


def facts_of(profile: Profile) -> dict[str, str]:
    """Returns its facts that hold at any shape, in words."""
    facts, paper = profile.facts, profile.facts.paper
    axes = " or ".join(f"{d}-D" for d in facts.dims)
    rows = {
        "family": f"{facts.family}, {facts.kind}, {facts.act}",
        "site": SITES[facts.at],
        "takes": TAKES if profile.is_sequential else f"{axes} features (b, c, ...)",
        "map": _maps(profile.forms.maps),
        "parameters": facts.parameters or "not stated",
        "paper": f"{paper.title}. {paper.authors.replace(' and ', ', ')}. {paper.venue} {paper.year}. {paper.url}",
        "cite as": profile.key,
        "code": facts.authors_code or "the authors published none",
    }
    if profile.is_control:
        rows |= {"family": f"a control, which a mechanism has to beat; {facts.family}, {facts.kind}, {facts.act}"}
    if profile.layouts:
        rows["weights of"] = "; ".join(map(twin, profile.layouts))
    if facts.inputs:
        besides = "besides these" if profile.is_sequential else "besides x"
        rows[besides] = "; ".join(f"{i.name} {i.shape}{', optional' if i.optional else ''}" for i in facts.inputs)
    if profile.is_sequential:
        rows["returns"] = "the context, the weights and the state"
    elif facts.returns != "features":
        article = "" if facts.returns == "patches" else "a "
        rows["returns"] = f"{article}{facts.returns}, so it cannot start as the identity in a trained network"
    if facts.nondeterministic:
        rows["on CUDA"] = f"not deterministic: {facts.nondeterministic}"
    return rows


def costs_of(profile: Profile) -> dict[str, str]:
    """Returns its cost and the shapes of its inputs, output and maps, in words."""
    size, forms = profile.size, profile.forms
    rows = {"parameters": count(size.parameters), "multiply-adds": count(size.macs)}
    rows |= {name: f"(b, {', '.join(map(str, shape))})" for name, shape in forms.inputs.items()}
    rows["context" if profile.is_sequential else "y"] = f"(b, {', '.join(map(str, forms.output))})"
    for seen in forms.maps:
        rows[f"map {seen.path}"] = f"{seen.kind} (b, {', '.join(map(str, seen.shape))})"
    return rows


def twin(layout: Layout) -> str:
    """Describes the same mechanism in another library.

    >>> twin(Layout(library="timm", twin="timm.layers.SEModule", note="bias=True"))
    'timm (timm.layers.SEModule; bias=True)'
    """
    return f"{layout.library} ({layout.twin}{f'; {layout.note}' if layout.note else ''})"


def read_docstring(mechanism: type[Mechanism]) -> tuple[str, tuple[Option, ...]]:
    """Returns the docstring up to `Args:`, and the options with their descriptions."""
    text, _, rest = (inspect.getdoc(mechanism) or "").partition("\nArgs:\n")
    section = rest.partition("\n\n")[0]
    texts = {
        name: " ".join(words.split())
        for name, words in re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, flags=re.MULTILINE)
    }
    texts = {name: START if name == "start" and words == "see `Features`." else words for name, words in texts.items()}
    options = [p for p in inspect.signature(mechanism).parameters.values() if p.default is not p.empty]
    return text.strip(), tuple(Option(p.name, p.default, texts.get(p.name, "")) for p in options)


def paragraphs(text: str) -> list[tuple[str, bool]]:
    """Splits a docstring into paragraphs, True for those of formulas: these keep their lines, prose has one line.

    >>> paragraphs("It rescales\\nchannels.\\n\\ny = g x\\ng = sigmoid(x)")
    [('It rescales channels.', False), ('y = g x\\ng = sigmoid(x)', True)]
    """
    found = re.split(r"\n\s*\n", text.strip())
    return [
        (part, True) if (number == 1 and " = " in part) or FORMULA.match(part) else (" ".join(part.split()), False)
        for number, part in enumerate(found)
    ]


def bibtex_key(paper: Paper) -> str:
    """Returns the BibTeX key: family name, year and first word, as in `woo2018cbam`."""
    family = paper.authors.split(" and ")[0].split()[-1]
    first = re.split(r"[\s:-]", paper.title)[0]
    return re.sub(r"\W", "", f"{family}{paper.year}{first}").lower()


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _maps(seen: Iterable[MapFacts]) -> str:
    """Describes the range and the neutral map; with the paths of the taps if these differ."""
    texts: dict[str, list[str]] = {}
    for one in seen:
        neutral = one.neutral if isinstance(one.neutral, str) else f"{one.neutral:g}"
        texts.setdefault(f"from {_bound(one.low)} to {_bound(one.high)}; {neutral} has no effect", []).append(one.path)
    if len(texts) == 1:
        return next(iter(texts))
    return ". ".join(f"{', '.join(dict.fromkeys(paths))}: {text}" for text, paths in texts.items())


def _bound(value: float) -> str:
    return f"{value:g}".replace("inf", "infinity")


def _heading(text: str) -> RenderableType:
    return Text(f"\n{text}", style="bold")


def _grid(rows: dict[str, str]) -> RenderableType:
    return _rows(rows.items(), gap=3)


def _rows(rows: Iterable[tuple[str, str]], *, gap: int = 1) -> RenderableType:
    table = Table.grid(padding=(0, gap, 0, 0))
    table.add_column(no_wrap=True)
    for name, text in rows:
        table.add_row(Text(name), Text(text))
    return Padding(table, (0, 0, 0, 2), expand=False)
