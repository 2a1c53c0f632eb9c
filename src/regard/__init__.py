"""Visual attention for PyTorch: choose a mechanism, train it, see what it looks at, know what it costs."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from regard.attention import CATALOGUE, CONTROLS, create, find, names
    from regard.explanation import observe
    from regard.recipes.explain import explain
    from regard.surgery import attach, attentions, select

__version__ = "0.1.0"

_HOMES = {
    "CATALOGUE": "regard.attention",
    "CONTROLS": "regard.attention",
    "attach": "regard.surgery",
    "attentions": "regard.surgery",
    "create": "regard.attention",
    "explain": "regard.recipes.explain",
    "find": "regard.attention",
    "names": "regard.attention",
    "observe": "regard.explanation",
    "select": "regard.surgery",
}
_ROOMS = (
    "attention",
    "core",
    "cost",
    "data",
    "explanation",
    "kernels",
    "models",
    "recipes",
    "report",
    "surgery",
    "testing",
    "tracing",
    "training",
)

__all__ = ["CATALOGUE", "CONTROLS", "attach", "attentions", "create", "explain", "find", "names", "observe", "select"]


def __getattr__(name: str) -> object:
    """Rooms and functions are imported when they are first used, so that `regard --help` need not load PyTorch."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _ROOMS:
        return import_module(f"regard.{name}")
    raise AttributeError(f"module 'regard' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
