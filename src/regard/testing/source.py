"""Sources of modules under test: a class, a function, or one instance that is copied."""

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from torch import nn

from regard.core.errors import OptionError
from regard.core.seeding import use_seed
from regard.testing.outcomes import CheckSkippedError, brief

Factory = Callable[..., nn.Module]
Attention = nn.Module | Factory
Options = Mapping[str, object]

NONE: Options = MappingProxyType({})

_NONSENSE = "an_option_that_nobody_has"


class Source(Protocol):
    """Gives independent modules, on the CPU and in float32; `draw` chooses other initial values."""

    def make(self, channels: int | None = None, *, draw: int = 0, options: Options = NONE) -> nn.Module:
        """A new module."""

    def takes(self, option: str, value: object) -> bool:
        """Returns whether modules can be made with that option."""


@dataclass(frozen=True)
class Copies:
    """One instance, of which every check gets a copy of its own.

    >>> Copies(nn.ReLU()).takes("inplace", True)
    False
    """

    original: nn.Module

    def make(self, channels: int | None = None, *, draw: int = 0, options: Options = NONE) -> nn.Module:
        """A copy; other channels or options need a class."""
        if channels is not None or options:
            raise CheckSkippedError("It builds modules, so it needs the class or a function instead of an instance.")
        try:
            return copy.deepcopy(self.original).cpu().float()
        except Exception as error:
            raise CheckSkippedError(
                f"The instance cannot be copied ({brief(error)}); pass its class, so that each check builds its own."
            ) from error

    def takes(self, option: str, value: object) -> bool:
        """An instance takes no options any more."""
        return False


class Builds:
    """A class or function: `factory(channels, **options)`.

    Args:
        factory: what makes a module. Its first argument without a default is the number of channels, or the one
            named `channels`; where it has neither, its number of channels is fixed.

    Example:
        >>> Builds(lambda channels, groups=2: nn.GroupNorm(groups, channels)).takes("groups", 4)
        True
    """

    def __init__(self, factory: Factory) -> None:
        self.factory = factory
        self.parameters = inspect.signature(factory).parameters
        self.options = tuple(
            p.name for p in self.parameters.values() if p.kind is p.KEYWORD_ONLY or p.default is not p.empty
        )
        first = next(iter(self.parameters.values()), None)
        positional = first is not None and first.kind in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD)
        self.first_is_channels = (
            first is not None and positional and (first.name == "channels" or first.default is first.empty)
        )

    @property
    def any_channels(self) -> bool:
        """Returns whether the number of channels can be chosen."""
        return self.first_is_channels or "channels" in self.parameters

    def make(self, channels: int | None = None, *, draw: int = 0, options: Options = NONE) -> nn.Module:
        """A module with `channels` channels, built from a seed that depends only on `draw`."""
        with use_seed("regard.testing", "build", draw):
            if channels is None or not self.any_channels:
                module = self.factory(**options)
            elif self.first_is_channels:
                module = self.factory(channels, **options)
            else:
                module = self.factory(channels=channels, **options)
        if not isinstance(module, nn.Module):
            raise OptionError(
                f"check_attention: {name_of(self.factory)} returned {type(module).__name__}; it must return an "
                "nn.Module."
            )
        return module.cpu().float()

    def takes(self, option: str, value: object, channels: int = 16) -> bool:
        """Returns whether the signature names `option`, or a **keyword function that refuses nonsense accepts it."""
        if option in self.parameters:
            return True
        if not any(p.kind is p.VAR_KEYWORD for p in self.parameters.values()):
            return False
        return not self._accepts(channels, _NONSENSE, None) and self._accepts(channels, option, value)

    def _accepts(self, channels: int, option: str, value: object) -> bool:
        try:
            self.make(channels, options={option: value})
        except Exception:
            return False
        return True


def name_of(factory: object) -> str:
    """The name of a class, function or instance.

    >>> name_of(nn.ReLU()), name_of(nn.ReLU), name_of(brief)
    ('ReLU', 'ReLU', 'brief')
    """
    while hasattr(factory, "func"):
        factory = factory.func
    return str(getattr(factory, "__name__", type(factory).__name__))
