"""Between frozen records and JSON: every field written, every field checked when read."""

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from regard.core.errors import OptionError, RegardError, RunError

Record = TypeVar("Record")
REMEDY = (
    "it was written by another version of regard, or changed by hand. Run the comparison again, or read it with the "
    "version it names"
)
Json = dict[str, Any] | list[Any] | str | int | float | bool | None


def encode(value: Any) -> Json:
    """`value` in the types of JSON.

    A record becomes an object, a tuple an array, a NumPy number a plain one, a float that is not finite null.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [encode(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def decode(
    kind: type[Record], value: Json, where: str, *, remedy: str = REMEDY, error: type[RegardError] = RunError
) -> Record:
    """The record of class `kind` that `value` describes.

    Args:
        kind: a dataclass whose fields are scalars, records, `tuple[X, ...]`, `dict[str, X]` or `X | None` of these.
        value: what `json.loads` gave.
        where: the file's name, for errors.
        remedy: the advice of errors.
        error: the kind of error.

    Raises:
        RegardError: of the kind `error`; a field is missing, unknown or of another type, or the record refuses its
            values. The text names its path.
    """
    try:
        found: Record = _read(kind, value, "")
    except _UnreadableError as fault:
        raise error(f"{where} {fault}: {remedy}.") from fault
    return found


class _UnreadableError(Exception):
    """The fault of a value, in words that follow the file's name."""


def _read(kind: Any, value: Any, path: str) -> Any:
    origin = get_origin(kind)
    if kind is Any:
        return value
    if is_dataclass(kind):
        return _record(kind, value, path)
    if origin in (Union, types.UnionType):
        return _union(kind, value, path)
    if origin is Literal:
        if value not in get_args(kind):
            raise _wrong(path, value, "one of " + ", ".join(repr(a) for a in get_args(kind)))
        return value
    if origin is tuple:
        return _tuple(get_args(kind), value, path)
    if origin is dict:
        if not isinstance(value, dict):
            raise _wrong(path, value, "an object")
        return {k: _read(get_args(kind)[1], v, f"{path}.{k}") for k, v in value.items()}
    return _scalar(kind, value, path)


def _record(kind: Any, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(path, value, f"an object with the fields of {kind.__name__}")
    hints, known = get_type_hints(kind), {f.name: f for f in fields(kind)}
    unknown = sorted(set(value) - set(known))
    if unknown:
        raise _UnreadableError(f"has the unknown field {_join(path, unknown[0])!r}")
    required = (n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING)
    missing = [name for name in required if name not in value]
    if missing:
        raise _UnreadableError(f"lacks the field {_join(path, missing[0])!r}")
    read = {name: _read(hints[name], value[name], _join(path, name)) for name in known if name in value}
    try:
        return kind(**read)
    except OptionError as refused:
        raise _UnreadableError(f"has {path or 'its outermost value'} that cannot be ({refused})") from refused


def _union(kind: Any, value: Any, path: str) -> Any:
    choices = get_args(kind)
    if value is None and type(None) in choices:
        return None
    if type(value) in choices:
        return value
    rest = [c for c in choices if c is not type(None)]
    if len(rest) == 1:
        return _read(rest[0], value, path)
    raise _wrong(path, value, "one of " + ", ".join(getattr(c, "__name__", str(c)) for c in rest))


def _tuple(kinds: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _wrong(path, value, "an array")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_read(kinds[0], v, f"{path}[{i}]") for i, v in enumerate(value))
    if len(value) != len(kinds):
        raise _wrong(path, value, f"an array of {len(kinds)}")
    return tuple(_read(k, v, f"{path}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True)))


def _scalar(kind: Any, value: Any, path: str) -> Any:
    if kind is float:
        if value is None:
            return math.nan
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise _wrong(path, value, {"str": "a text", "int": "a whole number"}.get(kind.__name__, kind.__name__))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _wrong(path: str, value: object, rule: str) -> _UnreadableError:
    shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
    return _UnreadableError(f"has {path or 'its outermost value'} = {shown}, which must be {rule}")
