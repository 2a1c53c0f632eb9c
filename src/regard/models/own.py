"""Networks of the user: a function by its name, `package.module:function`."""

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path

from torch import nn

from regard.core.errors import OptionError, UnknownNameError, unknown_name

_FORM = "def {name}(num_classes: int, in_channels: int) -> torch.nn.Module"


def is_module(name: str) -> bool:
    """Returns True if a module of that name can be imported, also from the current folder.

    >>> is_module("json.decoder"), is_module("timn")
    (True, False)
    """
    if not all(part.isidentifier() for part in name.split(".")):
        return False
    try:
        with _CurrentFolder():
            return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def build_own(module: str, function: str, num_classes: int, in_channels: int) -> nn.Module:
    """Builds the network that a function returns; it must name `num_classes` among its arguments.

    Args:
        module: name of the module, importable or in the current folder.
        function: name in it.
        num_classes: passed on.
        in_channels: passed on if the function has such an argument.

    Raises:
        UnknownNameError: the module has no such function.
        OptionError: it is no function of classes, fails, or returns no network.
    """
    name = f"{module}:{function}"
    try:
        with _CurrentFolder():
            found = importlib.import_module(module)
    except Exception as error:
        raise OptionError(f"{name}: importing {module} fails: {type(error).__name__}: {error}.") from error
    if not hasattr(found, function):
        public = [one for one, value in vars(found).items() if callable(value) and not one.startswith("_")]
        raise UnknownNameError(str(unknown_name(f"function in {module}", function, public)))
    make = getattr(found, function)
    try:
        arguments = inspect.signature(make).parameters
    except (TypeError, ValueError):
        arguments = {}  # type: ignore[assignment]
    # A record of a run names the function, and must not be able to call just any.
    if "num_classes" not in arguments:
        raise OptionError(f"{name} does not take num_classes: write it as {_FORM.format(name=function)}.")
    given = {"num_classes": num_classes} | ({"in_channels": in_channels} if "in_channels" in arguments else {})
    try:
        net = make(**given)
    except Exception as error:
        raise OptionError(f"{name} fails with {given}: {type(error).__name__}: {error}.") from error
    if not isinstance(net, nn.Module):
        raise OptionError(f"{name} returned a {type(net).__name__}, and must return a network, a torch.nn.Module.")
    return net


class _CurrentFolder:
    """Imports from the current folder too, as `python -m` does; the command alone has its own folder there."""

    def __enter__(self) -> None:
        self.added = str(Path.cwd())
        sys.path.append(self.added)

    def __exit__(self, *error: object) -> None:
        sys.path.remove(self.added)
