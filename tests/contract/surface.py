"""The public surface as text: every name in `__all__` of the public packages, with its signature."""

import dataclasses
import enum
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

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


def _signature(thing: object) -> str:
    """The signature without what differs between Python versions: addresses, quotes of postponed annotations."""
    try:
        text = str(inspect.signature(thing))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "(...)"
    text = re.sub(r" at 0x[0-9a-f]+", "", text)
    return re.sub(
        r"\b(?:typing|collections\.abc|pathlib(?:\._local)?|torch|torch\.nn\.modules\.module)\.(?=[A-Z])", "", text
    )


if __name__ == "__main__":
    SURFACE.write_text(surface(), encoding="utf-8")
