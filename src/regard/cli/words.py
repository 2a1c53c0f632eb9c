"""Reads what was typed: options with their values, and words without one."""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from regard.cli.parameters import Parameter

_HINTS = {
    "--pretrained": " Nothing is downloaded: save trained weights to a file and name it with --weights FILE.",
}
"""What to say of options that other programs have."""


_CARRIER = 0xF0000
"""Where a plane of letters for private use begins."""


class UsageError(Exception):
    """What was typed cannot be understood. No `RegardError`, so that to say it PyTorch need not be loaded."""


@dataclass
class Typed:
    """What was typed after the command.

    Attributes:
        values: the text for each option, a list of several values as JSON.
        run_file: the YAML file given with --config.
        print_config: whether the settings are to be printed instead of used.
    """

    values: dict[str, str] = field(default_factory=dict)
    run_file: Path | None = None
    print_config: bool = False


def read_words(command: str, arguments: Sequence[str], parameters: Mapping[str, Parameter], words: str | None) -> Typed:
    """Sorts `arguments` into options and words.

    `--learning-rate 0.1`, `--learning_rate=0.1`, `--seeds 0 1 2`, `--resume`, `--no-resume`, and after `--` only words.

    Raises:
        UsageError: an option that does not exist (with the nearest), that lacks its value, or is given twice;
            a word where the command takes none.
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
    """Reads one option with its value or values, taken from the front of `rest` where `value` is None."""
    name = flag[2:].replace("-", "_")
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
    """Gives the words without an option to the parameter that takes them."""
    if words is None:
        raise UsageError(
            f"regard {command} takes options only, so {loose[0]!r} has no place; see regard {command} --help."
        )
    parameter = parameters[words]
    if words in values:
        raise UsageError(f"regard {command}: {parameter.flag} is given twice: as an option and as {loose[0]!r}.")
    if not parameter.many and len(loose) > 1:
        raise UsageError(
            f"regard {command} takes one {words}, but {len(loose)} words were given: {' '.join(loose)}. "
            f"See regard {command} --help."
        )
    values[words] = as_list(parameter, loose) if parameter.many else loose[0]


def as_list(parameter: Parameter, given: Sequence[str]) -> str:
    """The values as one JSON list; numbers may also be written with commas, `0,1,2`."""
    if len(given) == 1 and given[0].startswith("["):
        return given[0]
    if parameter.item in (int, float):
        return f"[{', '.join(part for text in given for part in text.split(',') if part)}]"
    return json.dumps([carry(text) for text in given], ensure_ascii=False)


def carry(text: str) -> str:
    """The text with bytes of a file's name that are no letters as letters for private use, which a YAML reader lets by.

    >>> restore(carry("ca\\udce9")) == "ca\\udce9"
    True
    """
    return "".join(chr(_CARRIER + ord(c)) if "\ud800" <= c <= "\udfff" else c for c in text)


def restore(value: object) -> object:
    """What `carry` was given, in a text or a list of texts; anything else as it is."""
    if isinstance(value, list):
        return [restore(one) for one in value]
    if not isinstance(value, str):
        return value
    return "".join(chr(ord(c) - _CARRIER) if 0xD800 <= ord(c) - _CARRIER <= 0xDFFF else c for c in value)


def nearest(name: str, names: Sequence[str]) -> str:
    """` Did you mean X?` with the nearest of `names`, or nothing."""
    near = difflib.get_close_matches(name, names, n=2, cutoff=0.6)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def _unknown(command: str, flag: str, parameters: Mapping[str, Parameter]) -> str:
    flags = [p.flag for p in parameters.values()] + ["--config", "--print-config", "--help"]
    hint = _HINTS.get(flag) or nearest(flag.replace("_", "-"), flags)
    return f"regard {command} has no option {flag}.{hint} regard {command} --help lists them."
