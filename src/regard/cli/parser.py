"""Parse the arguments of a recipe: jsonargparse reads types, defaults, docstrings and run files."""

import re
import types
from argparse import ArgumentError
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from jsonargparse import ArgumentParser, Namespace

from regard.cli.parameters import Parameter, parameters_of, settings_of
from regard.cli.words import Typed, UsageError, nearest, read_words, restore

_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"}


@dataclass(frozen=True)
class Section:
    """A group of options in the help."""

    title: str
    options: tuple[tuple[Parameter, str], ...]


class CommandParser:
    """Parses the options of one command.

    Args:
        command: name of the command, for messages.
        recipe: the typed function; a parameter that is a dataclass gives one option for each field.
        words: the parameter of the positional arguments.
    """

    def __init__(self, command: str, recipe: Callable[..., object], words: str | None = None) -> None:
        self.command = command
        self.words = words
        self.parameters = parameters_of(recipe)
        self._records = settings_of(recipe)
        self._parser = ArgumentParser(prog=f"regard {command}", exit_on_error=False, print_config=None)
        self._parser.add_argument("--config", action="config")
        self._parser.add_function_arguments(recipe, skip=set(self._records), fail_untyped=False)
        for name, record in self._records.items():
            self._parser.add_class_arguments(type(record), skip=None)
            self._parser.set_defaults({p.name: p.default for p in self.parameters.values() if p.record == name})

    def sections(self) -> list[Section]:
        """Returns the options in groups: the recipe's own, then those of each settings record."""
        helps = {action.dest: action.help or "" for action in self._parser._actions}
        found: dict[str | None, list[tuple[Parameter, str]]] = {}
        for parameter in self.parameters.values():
            found.setdefault(parameter.record, []).append((parameter, helps[parameter.name]))
        return [
            Section("Options" if record is None else _title(type(self._records[record])), tuple(options))
            for record, options in found.items()
        ]

    def parse(self, arguments: Sequence[str]) -> dict[str, Any] | str:
        """Returns the recipe's keyword arguments; with --print-config the settings as YAML instead.

        Raises:
            UsageError: an option, a value or a run file that cannot be used.
        """
        typed = read_words(self.command, arguments, self.parameters, self.words)
        settings = self._read_run_file(typed.run_file) if typed.run_file is not None else {}
        for parameter in self.parameters.values():
            if parameter.required and parameter.name not in typed.values and parameter.name not in settings:
                raise UsageError(self._missing(parameter))
        try:
            parsed = self._parser.parse_args(self._rewrite(typed))
        except ArgumentError as error:
            raise UsageError(self._explain(str(error), typed, settings)) from error
        parsed.pop("config", None)
        if typed.print_config:
            return str(self._parser.dump(parsed, skip_unset=False))
        return self._keywords(self._parser.instantiate(parsed))

    def _rewrite(self, typed: Typed) -> list[str]:
        """Returns the arguments for jsonargparse: the run file first, so that typed options take precedence."""
        run_file = [f"--config={typed.run_file}"] if typed.run_file is not None else []
        return run_file + [f"--{name}={value}" for name, value in typed.values.items()]

    def _keywords(self, parsed: Namespace) -> dict[str, Any]:
        keywords: dict[str, Any] = {}
        for parameter in self.parameters.values():
            value = restore(parsed[parameter.name])
            value = tuple(value) if parameter.many and isinstance(value, list) else value
            if parameter.record is None:
                keywords[parameter.name] = value
            else:
                keywords.setdefault(parameter.record, {})[parameter.name] = value
        for name, record in self._records.items():
            keywords[name] = type(record)(**keywords[name])
        return keywords

    def _read_run_file(self, path: Path) -> Mapping[str, object]:
        """Reads the settings of a run file and checks their names."""
        try:
            settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UsageError(f"The run file {path} does not exist.") from None
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UsageError(f"The run file {path} cannot be read as YAML: {' '.join(str(error).split())}.") from None
        if not isinstance(settings, dict):
            raise UsageError(f"The run file {path} must contain one `option: value` on each line.")
        for name in settings:
            if name not in self.parameters:
                raise UsageError(
                    f"The run file {path} sets {name!r}, which regard {self.command} does not have."
                    f"{nearest(str(name), list(self.parameters))}"
                )
        return settings

    def _missing(self, parameter: Parameter) -> str:
        if parameter.name == self.words:
            return f"regard {self.command} needs {parameter.name.upper()}; see regard {self.command} --help."
        return f"regard {self.command} needs {parameter.flag}; see regard {self.command} --help."

    def _explain(self, message: str, typed: Typed, settings: Mapping[str, object]) -> str:
        """Translates jsonargparse's message to the option's name, if it names one of our options."""
        match = re.search(r'"(\w+)(?:\.\w+)*"', message)
        if match is None or match[1] not in self.parameters:
            return f"regard {self.command}: {' '.join(message.split())}"
        parameter = self.parameters[match[1]]
        value = str(typed.values.get(parameter.name, settings.get(parameter.name)))
        choices = [str(c) for c in parameter.choices]
        hint = nearest(value, choices) if choices else ""
        return (
            f"regard {self.command}: {parameter.flag} {value} is not allowed; it must be {describe(parameter)}.{hint}"
        )


def describe(parameter: Parameter) -> str:
    """Describes the allowed values of a parameter.

    >>> describe(Parameter("lr", float | None, None))
    'a number, or none'
    """
    what = _kind(parameter.item)
    return what + (", or several separated by spaces" if parameter.many else "") + (", or none" * parameter.optional)


def _kind(hint: Any) -> str:
    if get_origin(hint) is Literal:
        names = [str(choice) for choice in get_args(hint)]
        return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_kind(part) for part in get_args(hint) if part is not type(None))
    return _NAMES.get(hint, getattr(hint, "__name__", str(hint)))


def _title(record: type) -> str:
    return re.split(r"[.;:\n]", (record.__doc__ or record.__name__).strip())[0]
