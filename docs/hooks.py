"""Pages that mkdocs derives from the package while it builds: the mechanisms, the commands, the Python reference."""

import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterable, Iterator

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from rich.console import Console, RenderableType

import regard
from regard.attention import CATALOGUE, CONTROLS, LOOKING, SEQUENTIAL, find
from regard.attention.catalogue import AMBIGUOUS
from regard.cli.commands import COMMANDS
from regard.cli.pages import command_page, overview
from regard.cli.parser import CommandParser
from regard.recipes.catalogue import cite, flow_of, profile_of
from regard.recipes.listing import millions
from regard.recipes.networks import list_networks
from regard.recipes.profile import Profile, costs_of, facts_of, paragraphs
from regard.recipes.shapes import dims_of, format_shape
from regard.report.numerals import count
from regard.tracing import draw_flow
from regard.tracing.sizes import CHANNELS, PROBES

PRIVATE = ("cli", "recipes")
ROOMS = tuple(m.name for m in pkgutil.iter_modules(regard.__path__) if m.ispkg and m.name not in PRIVATE)
OVERVIEW = "reference/mechanisms.md"
SHRUNK = 0.75
"""The part of its natural width to which a drawing may shrink; a narrower window scrolls."""

FAMILIES = {
    "channel": "Channel mechanisms ask *what*: one weight for each channel.",
    "spatial": "Spatial mechanisms ask *where*: weights for positions, or other positions to sample.",
    "mixed": "Mixed mechanisms ask both.",
    "branch": "Branch mechanisms ask *which*: weights for branches or kernels of a convolution.",
    "temporal": "Temporal mechanisms ask *when*: weights for the steps of a sequence, or the frames of a clip.",
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts a page for each mechanism behind the overview, by family."""
    pages: list[object] = [{"Overview": OVERVIEW}]
    for family in FAMILIES:
        inside = [m.facts.name for m in (*CATALOGUE, *LOOKING, *SEQUENTIAL) if m.facts.family == family]
        pages += [{family.capitalize(): [{name: _path(name)} for name in inside]}] if inside else []
    pages.append({"Controls": [{m.facts.name: _path(m.facts.name)} for m in CONTROLS]})
    assert config.nav is not None
    for section in config.nav:
        for entry in section.get("Reference", ()):
            if "Mechanisms" in entry:
                entry["Mechanisms"] = pages
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the derived pages."""
    profiles = {m.facts.name: profile_of(m.facts.name) for m in (*CATALOGUE, *LOOKING, *SEQUENTIAL, *CONTROLS)}
    pages = {OVERVIEW: _mechanisms(profiles), "reference/commands.md": _commands()}
    pages |= {"reference/networks.md": list_networks().markdown()}
    pages |= {_path(name): _mechanism(profile) for name, profile in profiles.items()}
    pages |= {f"reference/api/{room}.md": f"# regard.{room}\n\n::: regard.{room}\n" for room in ROOMS}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def _path(name: str) -> str:
    return f"reference/mechanisms/{name}.md"


def _mechanisms(profiles: dict[str, Profile]) -> str:
    families = []
    for family, sentence in FAMILIES.items():
        inside = [p for p in profiles.values() if p.facts.family == family and not p.is_control]
        if inside:
            families += [f"## {family.capitalize()}", sentence, _overview(inside)]
    return "\n\n".join(
        [
            "---\nhide: [toc]\n---",
            "# Mechanisms",
            "Every page here is derived from the catalogue: a class states its facts, its docstring the formula, and "
            "the drawing is traced from the code. On the command line: `regard list`, `regard show NAME`, "
            "`regard cite NAME`. "
            "[How to choose](../explanation/choosing.md) has what is known about which one to take.",
            "Parameters and multiply-adds (in millions, of layers and matrix products) are those of one module at "
            f"{format_shape(profile_of('se').size.shape)}, unless another shape is named. *At* is the site in a "
            "network, as `--at` and `Facts.at` name it.",
            *families,
            "## Controls",
            "What a mechanism has to beat: a part of the gain of many gates is that of a learned constant.",
            _overview([p for p in profiles.values() if p.is_control]),
            "## Acronyms that mean several things",
            "These are refused by name, with the choices:",
            _ambiguous(),
            "## What is not here",
            "Windowed and deformable self-attention of vision transformers (Swin, NAT, deformable attention and their "
            "kin) is out of scope: those are backbones rather than modules for convolutional networks, and timm has "
            "them.",
        ]
    )


def _overview(profiles: Iterable[Profile]) -> str:
    rows = []
    for profile in profiles:
        facts, size = profile.facts, profile.size
        usual = "" if len(size.shape) == 3 else f" at {format_shape(size.shape)}"
        rows.append(
            f"| [`{facts.name}`](mechanisms/{facts.name}.md) | {_cell(paragraphs(profile.text)[0][0])} | {facts.at} | "
            f"{count(size.parameters)} | {millions(size.macs)}{usual} | "
            f"[{facts.paper.venue} {facts.paper.year}]({facts.paper.url} '{facts.paper.title.replace(chr(39), '’')}') |"
        )
    head = "| name | what it does | at | parameters | MACs (M) | paper |\n| --- | --- | --- | ---: | ---: | --- |"
    return "\n".join([head, *rows])


def _ambiguous() -> str:
    rows = ["| acronym | meanings |", "| --- | --- |"]
    for acronym, meanings in AMBIGUOUS.items():
        texts = (
            f"{what} ({f'[`{name}`](mechanisms/{name}.md)' if name else 'not here'})" for what, name in meanings.items()
        )
        rows.append(f"| `{acronym}` | {'; '.join(texts)} |")
    return "\n".join(rows)


def _mechanism(profile: Profile) -> str:
    facts, name = profile.facts, profile.facts.name
    sizes = "query_size=256, key_size=256" if profile.is_sequential else "channels=256"
    kind = f"a control; {facts.family}" if profile.is_control else facts.family
    parts = [
        f"---\ntitle: {name}\nhide: [toc]\n---",
        f"# {name}",
        f"<p class='mechanism-kind'>{kind} · {facts.kind} · {facts.act} · at: {facts.at}</p>",
        *(f"``` {{ .text .formula }}\n{part}\n```" if formula else part for part, formula in paragraphs(profile.text)),
        "## Flow",
        *_drawing(name),
        "## Facts",
        _table(_facts(profile)),
        "## Options",
        f'As in `regard.create("{name}", {sizes}, {profile.options[0].name}=...)` or '
        f"`{name}:{profile.options[0].name}=...`.",
        "\n".join(
            ["| option | default | |", "| --- | --- | --- |"]
            + [f"| `{o.name}` | `{o.default}` | {_cell(o.text)} |" for o in profile.options]
        ),
        f"## Cost at {format_shape(profile.size.shape)}",
        _table(costs_of(profile)),
        "## Example",
        f"```python\n{profile.example}\n```",
        *_doctest(name),
        *_departures(profile),
        *_twins(profile),
        "## Cite",
        f"```bibtex\n{cite((name,))}\n```",
    ]
    return "\n\n".join(parts)


def _drawing(name: str) -> Iterator[str]:
    dims = dims_of(find(name))
    if find(name).facts.returns == "context":
        given = f"one query of {CHANNELS[0]} over {PROBES[dims][0][0]} keys (t)"
    else:
        given = f"features of {' × '.join(map(str, (CHANNELS[0], *PROBES[dims][0])))}"
    drawing = draw_flow(flow_of(name)).strip()
    (width,) = re.findall(r"<svg [^>]*?width=\"(\d+)\"", drawing)
    yield f"<div class='mechanism-flow' style='--least: {SHRUNK * int(width):.0f}px'>{drawing}</div>"
    yield (
        f"Traced from the code, with the default options, for {given}; sizes that follow theirs are "
        "named. Orange are the maps that [`regard.observe`](../../howto/own-network.md) shows."
    )


def _facts(profile: Profile) -> dict[str, str]:
    facts, paper = profile.facts, profile.facts.paper
    rows = {name: _cell(text) for name, text in facts_of(profile).items() if name not in ("cite as", "weights of")}
    authors = paper.authors.replace(" and ", ", ")
    rows["parameters"] = f"`{facts.parameters}`{{ .formula }}" if facts.parameters else "not stated"
    rows["paper"] = f"[{paper.title}]({paper.url}). {authors}. {paper.venue} {paper.year}"
    rows["code"] = f"<{facts.authors_code}>" if facts.authors_code else "the authors published none"
    return rows


def _doctest(name: str) -> Iterator[str]:
    """The example of the docstring, which the tests run."""
    _, found, rest = (inspect.getdoc(find(name)) or "").partition("\nExample:\n")
    if found:
        yield f"```pycon\n{textwrap.dedent(rest).rstrip()}\n```"


def _departures(profile: Profile) -> Iterator[str]:
    if profile.facts.departures:
        yield "## Where it differs from the paper or the authors' code"
        yield "\n".join(f"- {departure}" for departure in profile.facts.departures)


def _twins(profile: Profile) -> Iterator[str]:
    if profile.layouts:
        yield "## The same elsewhere"
        yield "`regard.attention.import_weights` loads these libraries' weights, `export_weights` writes ours for them."
        rows = ["| library | class | with |", "| --- | --- | --- |"]
        rows += [f"| `{t.library}` | `{t.twin}` | {_cell(t.note) or 'the defaults'} |" for t in profile.layouts]
        yield "\n".join(rows)


def _table(rows: dict[str, str]) -> str:
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {text} |" for name, text in rows.items())])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


def _commands() -> str:
    return "\n\n".join(["# Command line", _text(overview(COMMANDS)), *_command_pages()])


def _command_pages() -> Iterator[str]:
    for command in COMMANDS:
        recipe = command.load()
        page = command_page(CommandParser(command.name, recipe, command.words), recipe)
        yield f"## regard {command.name}\n\n{_text(page)}"


def _text(page: RenderableType) -> str:
    console = Console(width=100, no_color=True)
    with console.capture() as capture:
        console.print(page)
    lines = [line.rstrip() for line in capture.get().splitlines()]
    return "```text\n" + "\n".join(lines).strip() + "\n```"
