"""How a mechanism is written on one line: `NAME[:option=value,...]`."""

import ast
from dataclasses import dataclass, field

from regard.core.errors import OptionError

Value = int | float | bool | str | None | tuple["Value", ...]


@dataclass(frozen=True)
class Spec:
    """A name with options, as `cbam:reduction=8` says it; `str()` gives the line back, options sorted.

    >>> Spec.parse("cbam:reduction=8,start=identity")
    Spec(name='cbam', options={'reduction': 8, 'start': 'identity'})
    >>> str(Spec.parse("eca:kernel_size=3"))
    'eca:kernel_size=3'
    """

    name: str
    options: dict[str, Value] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: "str | Spec") -> "Spec":
        """Reads the line; a malformed one is an error that shows the form."""
        if isinstance(text, Spec):
            return text
        name, _, rest = text.strip().partition(":")
        options: dict[str, Value] = {}
        for part in _split(rest):
            key, equals, value = part.partition("=")
            if not equals or not key.strip().isidentifier():
                raise OptionError(
                    f"{text!r} is not a mechanism: {part!r} is no option. Write NAME:option=value,option=value, "
                    "for example cbam:reduction=8."
                )
            if key.strip() in options:
                raise OptionError(f"{text!r} sets {key.strip()!r} twice: keep one of them.")
            options[key.strip()] = _value(value.strip())
        if not name:
            raise OptionError(f"{text!r} names no mechanism. Write NAME:option=value, for example cbam:reduction=8.")
        return cls(name, options)

    def __str__(self) -> str:
        options = ",".join(f"{k}={_text(v)}" for k, v in sorted(self.options.items()))
        return f"{self.name}:{options}" if options else self.name


def _split(text: str) -> list[str]:
    """The parts between commas that stand outside brackets."""
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    parts.append(text[start:])
    return [part for part in (p.strip() for p in parts) if part]


def _value(text: str) -> Value:
    words: dict[str, Value] = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return tuple(value) if isinstance(value, list) else value


def _text(value: Value) -> str:
    return str(value).replace(" ", "")
