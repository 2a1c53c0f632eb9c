"""The root of every attention mechanism: its facts, its options, its count."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Self

from torch import Tensor, nn

from regard.core.facts import Facts
from regard.core.formula import evaluate
from regard.core.layout import Layout
from regard.core.options import check_options, one_of, plain


class Mechanism(nn.Module, ABC):
    """One published way to score, normalise and apply weights.

    It derives from one of three bases by its inputs and results: `Features` (x in, features or a vector out),
    `Temporal` (queries and keys in, a context out) and `Hard` (x in, a sample out). A subclass of those sets `facts`
    and registers its parameters in the order of its formula. Where it needs initial values of its own, it has a method
    `reset_parameters` (PyTorch's convention).

    Attributes:
        options: those that the module was built with, defaults included.
        facts: the facts of the mechanism.
        layouts: of a mechanism of your own, the layouts of its parameters in other libraries, see `Layout`; those of
            the catalogue are in `regard.attention.layouts`, a file a library.
    """

    options: Mapping[str, object]
    facts: ClassVar[Facts]
    layouts: ClassVar[tuple[Layout, ...]] = ()

    def __new__(cls, *args: object, **options: object) -> Self:
        """A new module that knows its options; a copy, which is made without any, gets those of the original.

        Flags and words are checked by their annotation, `dims` by the facts.
        """
        module = super().__new__(cls)
        try:
            bound = inspect.signature(cls.__init__).bind(module, *args, **options)
        except TypeError:  # `__init__` says what is wrong
            return module
        bound.apply_defaults()
        sizes = {p.name for p in bound.signature.parameters.values() if p.default is p.empty}
        options = {name: plain(value) for name, value in bound.arguments.items() if name not in sizes}
        check_options(cls.facts.name, cls.__init__, options)
        if "dims" in options:
            one_of(cls.facts.name, "dims", options["dims"], cls.facts.dims)
        object.__setattr__(module, "options", options)
        return module

    @abstractmethod
    def __init__(self) -> None:
        super().__init__()

    @classmethod
    def count(cls, *sizes: int, **options: object) -> int:
        """The number of parameters by the formula in the facts, with `start="paper"`; the defaults of options count.

        Args:
            sizes: the arguments of the constructor before its options, mostly `channels`, the formula's c.
            options: as of the constructor.
        """
        bound = inspect.signature(cls).bind(*sizes, **options)
        bound.apply_defaults()
        return evaluate(cls.facts.parameters, {"c": bound.arguments.get("channels"), **bound.arguments})

    @abstractmethod
    def example_inputs(self, channels: int = 16, size: tuple[int, ...] = (8, 8), batch: int = 2) -> tuple[Tensor, ...]:
        """Random inputs of `forward`: features (batch, channels, *size), or one query and a sequence of that size."""

    def amend(self, **facts: object) -> None:
        """Other facts for this module, where an option makes it another form of the mechanism."""
        self.facts = replace(self.facts, **facts)  # type: ignore[misc, arg-type]
