"""The one-line form of a mechanism: `NAME[:option=value,...]`."""

import ast
from dataclasses import dataclass, field

from regard.core.errors import OptionError

Value = int | float | bool | str | None | tuple["Value", ...]


@dataclass(frozen=True)
class Spec:
    """A name with options, such as `cbam:reduction=8`; `str()` gives the line back, options sorted.

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
        name, _, rest = text.partition(":")
        name = name.strip()
        options: dict[str, Value] = {}
        for part in _split(rest):
            key, equals, written = (piece.strip() for piece in part.partition("="))
            if not equals or not written or not key.isidentifier():
                raise OptionError(
                    f"{text!r} is not a mechanism: {part!r} is no option. Write NAME:option=value,option=value, "
                    "for example cbam:reduction=8."
                )
            if key in options:
                raise OptionError(f"{text!r} sets {key!r} twice: keep one of them.")
            try:
                options[key] = _value(written)
            except ValueError:
                raise OptionError(
                    f"{text!r}: {key}={written} is no value. Write a number, a word, true, false, none, or several "
                    "in brackets, for example size=(7,7)."
                ) from None
        if not name:
            raise OptionError(f"{text!r} names no mechanism. Write NAME:option=value, for example cbam:reduction=8.")
        return cls(name, options)

    def __str__(self) -> str:
        options = ",".join(f"{key}={_text(value)}" for key, value in sorted(self.options.items()))
        return f"{self.name}:{options}" if options else self.name

    def __hash__(self) -> int:
        return hash((self.name, frozenset(self.options.items())))


_WORDS: dict[str, Value] = {"true": True, "false": False, "none": None}


def _split(text: str) -> list[str]:
    """The parts between commas outside brackets and quotation marks."""
    parts, depth, start, quote = [], 0, 0, ""
    for index, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "([":
            depth += 1
        elif letter in ")]":
            depth = max(0, depth - 1)
        elif letter == "," and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    parts.append(text[start:])
    return [part for part in (p.strip() for p in parts) if part]


def _value(text: str) -> Value:
    """The value that `text` writes; a bare word is itself, and a malformed literal a ValueError."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return _plain(ast.literal_eval(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        if text[0] in "([{'\"":
            raise ValueError(text) from None
        return text


def _plain(value: object) -> Value:
    if isinstance(value, list | tuple):
        return tuple(_plain(item) for item in value)
    if value is None or isinstance(value, int | float | bool | str):
        return value
    raise ValueError(value)


def _text(value: Value, *, inside: bool = False) -> str:
    """`value` as `_value` reads it; `inside` brackets every text is in quotation marks."""
    if isinstance(value, tuple):
        return f"({','.join(_text(item, inside=True) for item in value)}{',' if len(value) == 1 else ''})"
    if isinstance(value, str):
        bare = value and value == value.strip() and not set(value) & set("'\"()[]{},") and _value(value) == value
        return value if bare and not inside else repr(value)
    return str(value)
