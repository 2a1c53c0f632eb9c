"""Pages that mkdocs derives from the package while it builds: the mechanisms, the commands, the Python reference."""

from collections.abc import Iterator

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from rich.console import Console, RenderableType

from regard.attention import CATALOGUE, CONTROLS
from regard.cli.commands import COMMANDS
from regard.cli.pages import command_page, overview
from regard.cli.parser import CommandParser
from regard.recipes.catalogue import Profile, show

ROOMS = ("attention", "core", "cost", "data", "explanation", "kernels", "models", "report", "testing", "training")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the derived pages."""
    pages = {"reference/mechanisms.md": _mechanisms(), "reference/commands.md": _commands()}
    pages |= {f"reference/api/{room}.md": f"# regard.{room}\n\n::: regard.{room}\n" for room in ROOMS}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def _mechanisms() -> str:
    names = [m.facts.name for m in CATALOGUE]
    rows = "\n".join(
        f"| [`{f.name}`](#{f.name}) | {f.family} | {f.kind} | {f.act} | {f.at} | "
        f"[{f.paper.title}]({f.paper.url}), {f.paper.venue} {f.paper.year} |"
        for f in (m.facts for m in CATALOGUE)
    )
    controls = ", ".join(f"[`{m.facts.name}`](#{m.facts.name})" for m in CONTROLS)
    return "\n\n".join(
        [
            "# Mechanisms",
            "This page is derived from the catalogue: each class states its facts, and its docstring its formula. "
            "On the command line: `regard list`, `regard show NAME`, `regard cite NAME`.",
            "| name | weighs | kind | act | where | paper |\n| --- | --- | --- | --- | --- | --- |\n" + rows,
            f"Controls, which a mechanism has to beat: {controls}.",
            *(_mechanism(show(name)) for name in names),
            *(_mechanism(show(m.facts.name)) for m in CONTROLS),
        ]
    )


def _mechanism(profile: Profile) -> str:
    facts = profile.facts
    sizes = ", ".join(f"{n:,} with {c} channels" for c, n in profile.parameters.items())
    options = [f"| `{o.name}` | `{o.default}` | {o.text} |" for o in profile.options]
    code = f" Authors' code: <{facts.authors_code}>." if facts.authors_code else ""
    parts = [
        f"## {facts.name} {{ #{facts.name} }}",
        profile.text,
        f"Parameters: {sizes}. Map: from {facts.map_range[0]:g} to {facts.map_range[1]:g}.{code}",
        "\n".join(["| option | default | |", "| --- | --- | --- |", *options]) if options else "",
        "Where it differs from the paper or the authors' code:" if facts.departures else "",
        "\n".join(f"- {departure}" for departure in facts.departures),
    ]
    return "\n\n".join(part for part in parts if part)


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
