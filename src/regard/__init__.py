"""Visual attention for PyTorch: choose a mechanism, train it, see what it looks at, know what it costs."""

from importlib import import_module
from typing import TYPE_CHECKING

from regard.attention import CATALOGUE, CONTROLS, create, find, names

if TYPE_CHECKING:
    from regard.explanation import observe
    from regard.recipes.explain import explain

__version__ = "0.1.0"

_LAZY = {"observe": "regard.explanation", "explain": "regard.recipes.explain"}
_ROOMS = ("core", "cost", "data", "explanation", "kernels", "models", "recipes", "report", "testing", "training")

__all__ = ["CATALOGUE", "CONTROLS", "create", "explain", "find", "names", "observe"]


def __getattr__(name: str) -> object:
    """Rooms and the functions that need more than PyTorch are imported when they are first used."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    if name in _ROOMS:
        return import_module(f"regard.{name}")
    raise AttributeError(f"module 'regard' has no attribute {name!r}")
