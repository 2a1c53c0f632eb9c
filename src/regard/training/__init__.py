"""Training, checkpoints and evaluation of a network on any task. Lightning is imported at first use."""

from importlib import import_module
from typing import TYPE_CHECKING

from regard.core.devices import DeviceName, resolve_device, set_threads
from regard.training.recipe import Recipe
from regard.training.weights import load_weights, restore, save_weights

if TYPE_CHECKING:
    from regard.training.evaluation import Evaluation, evaluate
    from regard.training.fitting import Fit, fit
    from regard.training.tasks import LossParts, Task
    from regard.training.tasks.classification import Classification
    from regard.training.tasks.glimpses import Glimpses
    from regard.training.tasks.sequences import Sequences

_HOMES = {
    "Classification": "tasks.classification",
    "Evaluation": "evaluation",
    "Fit": "fitting",
    "Glimpses": "tasks.glimpses",
    "LossParts": "tasks.task",
    "Sequences": "tasks.sequences",
    "Task": "tasks.task",
    "evaluate": "evaluation",
    "fit": "fitting",
}

__all__ = [
    "Classification",
    "DeviceName",
    "Evaluation",
    "Fit",
    "Glimpses",
    "LossParts",
    "Recipe",
    "Sequences",
    "Task",
    "evaluate",
    "fit",
    "load_weights",
    "resolve_device",
    "restore",
    "save_weights",
    "set_threads",
]


def __getattr__(name: str) -> object:
    """Imports the parts that need Lightning or torchmetrics, which takes three seconds, at first use."""
    if name in _HOMES:
        return getattr(import_module(f"regard.training.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'regard.training' has no attribute {name!r}")
