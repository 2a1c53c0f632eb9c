"""The output of `--help`, from the recipe's docstring and signature."""

import inspect
from collections.abc import Callable, Iterable

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from regard.cli.commands import Command
from regard.cli.parameters import REQUIRED, Parameter
from regard.cli.parser import CommandParser


def overview(commands: Iterable[Command]) -> RenderableType:
    """Returns the list of all commands, one line each."""
    table = Table.grid(padding=(0, 3))
    for command in commands:
        table.add_row(Text(command.name, style="bold"), Text(command.summary()))
    return Group(
        Text("Visual attention for PyTorch: compare mechanisms, train networks, see where they look.\n"),
        Text("regard COMMAND [OPTIONS]\n"),
        Padding(table, (0, 0, 1, 2), expand=False),
        Text("regard COMMAND --help describes a command; regard --version prints the version."),
    )


def command_page(parser: CommandParser, recipe: Callable[..., object]) -> RenderableType:
    """Returns the usage of one command, its description, and every option with its default."""
    words = parser.parameters[parser.words] if parser.words else None
    usage = f"regard {parser.command}"
    if words is not None:
        usage += f" {_positional(words)}"
    usage += "".join(f" {p.flag} {_metavar(p)}" for p in parser.parameters.values() if p.required and p is not words)
    parts: list[RenderableType] = [Text(f"{usage} [OPTIONS]\n", style="bold"), Text(_description(recipe) + "\n")]
    for section in parser.sections():
        parts += [Text(section.title, style="bold"), _rows(section.options, words), Text()]
    common = Table.grid(padding=(0, 3))
    common.add_row("--config FILE", "read options from a YAML file; those on the command line take precedence.")
    common.add_row("--print-config", "print the options as such a file instead of running.")
    common.add_row("--help", "print this page.")
    return Group(*parts, Text("Every command", style="bold"), Padding(common, (0, 0, 0, 2), expand=False))


def _rows(options: Iterable[tuple[Parameter, str]], words: Parameter | None) -> RenderableType:
    table = Table.grid(padding=(0, 3))
    table.add_column(no_wrap=True)
    for parameter, text in options:
        name = _positional(words) if words is not None and parameter.name == words.name else _option(parameter)
        table.add_row(Text(name), Text(" ".join(f"{text} {_default(parameter)}".split())))
    return Padding(table, (0, 0, 0, 2), expand=False)


def _option(parameter: Parameter) -> str:
    if parameter.plain is bool:
        return f"--[no-]{parameter.flag[2:]}" if parameter.default is True else parameter.flag
    return f"{parameter.flag} {_metavar(parameter)}"


def _positional(words: Parameter) -> str:
    """Formats the positional arguments for the usage line."""
    name = words.name.removesuffix("s").upper() if words.many else words.name.upper()
    name += " ..." if words.many else ""
    return name if words.required else f"[{name}]"


def _metavar(parameter: Parameter) -> str:
    if parameter.choices:
        text = "|".join(str(c) for c in parameter.choices)
        text = text if len(text) <= 32 else parameter.flag.rpartition("-")[2].upper()
    else:
        names = {int: "N", float: "X", bool: "true|false"}
        text = names.get(parameter.item, parameter.flag.rpartition("-")[2].upper())
    return f"{text} ..." if parameter.many else text


def _default(parameter: Parameter) -> str:
    choices = f" One of {', '.join(str(c) for c in parameter.choices)}." * (
        len("|".join(map(str, parameter.choices))) > 32
    )
    if parameter.default is REQUIRED:
        return f"{choices} [required]".strip()
    if parameter.default is None or parameter.default is False or parameter.default in ((), ""):
        return choices.strip()
    value = " ".join(map(_format, parameter.default)) if parameter.many else _format(parameter.default)
    return f"{choices} [default: {value}]".strip()


def _format(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _description(recipe: Callable[..., object]) -> str:
    """Returns the docstring up to its first section."""
    lines = []
    for line in (inspect.getdoc(recipe) or "").splitlines():
        if line in ("Args:", "Returns:", "Raises:", "Example:"):
            break
        lines.append(line)
    return "\n".join(lines).strip()
