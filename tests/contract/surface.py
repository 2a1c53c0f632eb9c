"""The public surface as text: every name in `__all__` of the public packages, with its signature."""

import dataclasses
import enum
import importlib
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SURFACE = Path(__file__).with_name("api_surface.txt")
PACKAGES = (
    "regard",
    "regard.attention",
    "regard.core",
    "regard.cost",
    "regard.data",
    "regard.explanation",
    "regard.kernels",
    "regard.models",
    "regard.report",
    "regard.testing",
    "regard.tracing",
    "regard.training",
)


def surface() -> str:
    """The whole text, a block for each package."""
    return "\n".join("\n".join(_package(name)) + "\n" for name in PACKAGES)


def _package(name: str) -> Iterator[str]:
    package = importlib.import_module(name)
    yield f"[{name}]"
    for public in getattr(package, "__all__", ()):
        yield from _describe(public, getattr(package, public))


def _describe(name: str, thing: object) -> Iterator[str]:
    home = getattr(thing, "__module__", "")
    if inspect.isclass(thing):
        bases = ", ".join(b.__name__ for b in thing.__bases__ if b is not object)
        yield f"class {name}({bases})" if bases else f"class {name}"
        if home.startswith("regard"):
            yield from (f"    {line}" for line in _members(thing))
    elif typing.get_origin(thing) is not None:
        yield f"{name} = {_hint(thing)}"
    elif callable(thing):
        yield f"{name}{_signature(thing)}"
    else:
        yield f"{name}: {type(thing).__name__}"


def _members(kind: type) -> Iterator[str]:
    """The constructor, the fields and the public methods that the class itself or a base of ours defines."""
    if not issubclass(kind, enum.Enum | BaseException):
        yield f"__init__{_signature(kind)}"
    if dataclasses.is_dataclass(kind):
        yield from (f"{field.name}: field" for field in dataclasses.fields(kind))
    for name in sorted(n for n in vars(kind) if not n.startswith("_")):
        member = inspect.getattr_static(kind, name)
        if isinstance(member, property):
            yield f"{name}: property"
        elif callable(getattr(kind, name)) and not inspect.isclass(getattr(kind, name)):
            yield f"{name}{_signature(getattr(kind, name))}"


class _Text:
    """Shows itself as it is in a signature."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _signature(thing: Callable[..., object]) -> str:
    """The signature, written alike by every version of Python: no addresses, no modules, unions with bars."""
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return "(...)"
    parameters = [p.replace(annotation=_show(p.annotation)) for p in found.parameters.values()]
    shown = found.replace(parameters=parameters, return_annotation=_show(found.return_annotation))
    return re.sub(r" at 0x[0-9a-f]+", "", str(shown))


def _show(annotation: object) -> object:
    return annotation if annotation is inspect.Signature.empty else _Text(_hint(annotation))


def _hint(annotation: Any) -> str:
    """An annotation in words.

    >>> _hint(Callable[[int | None], tuple[str, ...]])
    'Callable[[int | None], tuple[str, ...]]'
    """
    if isinstance(annotation, str):
        return annotation
    if annotation is ... or annotation is None or annotation is type(None):
        return "..." if annotation is ... else "None"
    if isinstance(annotation, list):
        return f"[{', '.join(map(_hint, annotation))}]"
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is None:
        return getattr(annotation, "__name__", repr(annotation))
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(_hint, inside))
    words = map(repr, inside) if origin is typing.Literal else map(_hint, inside)
    return f"{getattr(annotation, '__name__', origin.__name__)}[{', '.join(words)}]"


if __name__ == "__main__":
    SURFACE.write_text(surface(), encoding="utf-8")
