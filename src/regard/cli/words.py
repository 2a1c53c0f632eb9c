"""Split the command line into options with their values and positional arguments."""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from regard.cli.parameters import Parameter

_HINTS = {
    "--pretrained": " Nothing is downloaded: save trained weights to a file and name it with --weights FILE.",
}
"""Hints for options that other programs have."""


_CARRIER = 0xF0000
"""The first code point of a plane for private use."""


class UsageError(Exception):
    """A command line that cannot be parsed. Not a `RegardError`, so that PyTorch need not be loaded to report it."""


@dataclass
class Typed:
    """The arguments after the command.

    Attributes:
        values: text of each option, several values as a JSON list.
        run_file: YAML file given with --config.
        print_config: True to print the settings instead of running.
    """

    values: dict[str, str] = field(default_factory=dict)
    run_file: Path | None = None
    print_config: bool = False


def read_words(command: str, arguments: Sequence[str], parameters: Mapping[str, Parameter], words: str | None) -> Typed:
    """Splits `arguments` into options and positional arguments.

    Accepts `--learning-rate 0.1`, `--learning_rate=0.1`, `--seeds 0 1 2`, `--resume` and `--no-resume`; after `--` all
    arguments are positional.

    Raises:
        UsageError: an option that does not exist (the message names the nearest), that lacks its value, or is given
            twice; a positional argument of a command without any.
    """
    typed, loose, rest = Typed(), [], list(arguments)
    while rest:
        token = rest.pop(0)
        if token == "--":
            loose += rest
            break
        if not token.startswith("--"):
            if token.startswith("-") and len(token) > 1 and not token[1].isdigit():
                raise UsageError(_unknown(command, token, parameters))
            loose.append(token)
            continue
        flag, equals, value = token.partition("=")
        name = flag[2:].replace("-", "_")
        if name == "print_config":
            typed.print_config = True
        elif name == "config":
            if not equals and not rest:
                raise UsageError(f"regard {command}: --config needs a file: --config run.yaml.")
            typed.run_file = Path(value if equals else rest.pop(0))
        else:
            _take(command, flag, value if equals else None, rest, parameters, typed.values)
    if loose:
        _assign(command, loose, parameters, words, typed.values)
    return typed


def _take(
    command: str,
    flag: str,
    value: str | None,
    rest: list[str],
    parameters: Mapping[str, Parameter],
    values: dict[str, str],
) -> None:
    """Reads one option with its value or values, taken from the front of `rest` if `value` is None."""
    name = flag[2:].replace("-", "_")
    name = f"{name}_" if f"{name}_" in parameters else name
    if name not in parameters and name.startswith("no_") and name[3:] in parameters:
        name, value = name[3:], "false" if parameters[name[3:]].plain is bool and value is None else None
        if value is None:
            raise UsageError(f"regard {command}: {flag} does not exist; write {parameters[name].flag} with a value.")
    if name not in parameters:
        raise UsageError(_unknown(command, flag, parameters))
    parameter = parameters[name]
    if name in values:
        raise UsageError(f"regard {command}: {parameter.flag} is given twice: keep one of them.")
    if parameter.plain is bool and value is None:
        value = rest.pop(0).lower() if rest and rest[0].lower() in ("true", "false") else "true"
    elif parameter.many:
        given = [value] if value is not None else []
        while value is None and rest and not rest[0].startswith("--"):
            given.append(rest.pop(0))
        value = as_list(parameter, given) if given else None
    elif value is None and rest and not rest[0].startswith("--"):
        value = rest.pop(0)
    if value is None:
        raise UsageError(f"regard {command}: {parameter.flag} needs a value.")
    values[name] = "null" if parameter.optional and value.lower() == "none" else value


def _assign(
    command: str, loose: list[str], parameters: Mapping[str, Parameter], words: str | None, values: dict[str, str]
) -> None:
    """Assigns the positional arguments to their parameter."""
    if words is None:
        raise UsageError(
            f"regard {command} takes options only, so {loose[0]!r} is not allowed; see regard {command} --help."
        )
    parameter = parameters[words]
    if words in values:
        raise UsageError(f"regard {command}: {parameter.flag} is given twice: as an option and as {loose[0]!r}.")
    if not parameter.many and len(loose) > 1:
        raise UsageError(
            f"regard {command} takes one {words}, but {len(loose)} were given: {' '.join(loose)}. "
            f"See regard {command} --help."
        )
    values[words] = as_list(parameter, loose) if parameter.many else loose[0]


def as_list(parameter: Parameter, given: Sequence[str]) -> str:
    """Returns the values as a JSON list; numbers may also be separated by commas, `0,1,2`."""
    if len(given) == 1 and given[0].startswith("["):
        return given[0]
    if parameter.item in (int, float):
        return f"[{', '.join(part for text in given for part in text.split(',') if part)}]"
    return json.dumps([carry(text) for text in given], ensure_ascii=False)


def carry(text: str) -> str:
    """Replaces undecodable bytes of a file name by characters for private use, which YAML accepts.

    >>> restore(carry("ca\\udce9")) == "ca\\udce9"
    True
    """
    return "".join(chr(_CARRIER + ord(c)) if "\ud800" <= c <= "\udfff" else c for c in text)


def restore(value: object) -> object:
    """Undoes `carry` in a text or a list of texts; returns anything else unchanged."""
    if isinstance(value, list):
        return [restore(one) for one in value]
    if not isinstance(value, str):
        return value
    return "".join(chr(ord(c) - _CARRIER) if 0xD800 <= ord(c) - _CARRIER <= 0xDFFF else c for c in value)


def nearest(name: str, names: Sequence[str]) -> str:
    """Returns ` Did you mean X?` with the nearest of `names`, or an empty string."""
    near = difflib.get_close_matches(name, names, n=2, cutoff=0.6)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def _unknown(command: str, flag: str, parameters: Mapping[str, Parameter]) -> str:
    flags = [p.flag for p in parameters.values()] + ["--config", "--print-config", "--help"]
    hint = _HINTS.get(flag) or nearest(flag.replace("_", "-"), flags)
    return f"regard {command} has no option {flag}.{hint} regard {command} --help lists them."
