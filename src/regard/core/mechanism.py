"""The base of every attention mechanism: its facts, its checks, and how it starts as the identity."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from regard.core.errors import ShapeError
from regard.core.facts import Facts
from regard.core.formula import evaluate
from regard.core.layout import Layout
from regard.core.options import at_least, one_of
from regard.core.precision import widen

Start = Literal["paper", "identity"]


class Mechanism(nn.Module, ABC):
    """One published way to score, normalise and apply weights.

    A subclass sets `facts`, registers its parameters in the order of its formula, and in `forward` calls `expect`,
    computes its logits, normalises them in at least float32, lets `temper` and a tap pass the map, and applies it.
    Where it needs initial values of its own, it has a method `reset_parameters` (PyTorch's convention).

    Args:
        channels: the number of channels c of the features.
        start: `paper` starts as published; `identity` adds one scalar `strength`, zero at first, so that the
            module changes nothing until it is trained: each map m becomes n + strength (m - n), n its neutral value;
            a residual form x + h(x) becomes x + strength h(x); a mechanism that is neither gives
            x + strength (y - x) instead. A published initial value that would keep h at zero (a scale of zero) is
            one then, or nothing could leave zero.

    Attributes:
        options: what the module was built with, defaults included.
        facts: what is true of the mechanism.
        layouts: how other libraries store the same parameters, see `Layout`.
    """

    options: Mapping[str, object]
    facts: ClassVar[Facts]
    layouts: ClassVar[tuple[Layout, ...]] = ()
    strength: nn.Parameter | None

    def __new__(cls, *args: object, **options: object) -> Self:
        """A new module that knows its options; a copy, which is made without any, gets those of the original."""
        module = super().__new__(cls)
        try:
            bound = inspect.signature(cls.__init__).bind(module, *args, **options)
        except TypeError:  # `__init__` says what is wrong
            return module
        bound.apply_defaults()
        object.__setattr__(module, "options", dict(list(bound.arguments.items())[2:]))
        return module

    def __init__(self, channels: int, *, start: Start = "paper") -> None:
        super().__init__()
        self.channels = at_least(self.facts.name, "channels", channels, 1)
        one_of(self.facts.name, "start", start, ("paper", "identity"))
        self.register_parameter("strength", nn.Parameter(torch.zeros(())) if start == "identity" else None)

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Features of the shape of x (b, c, ...), weighed."""

    @classmethod
    def count(cls, channels: int, **options: object) -> int:
        """The number of parameters by the formula in the facts, with `start="paper"`; the defaults of options count."""
        signature = inspect.signature(cls)
        bound = signature.bind(channels, **options)
        bound.apply_defaults()
        return evaluate(cls.facts.parameters, {"c": channels, **bound.arguments})

    @classmethod
    def example_inputs(cls, channels: int = 16, size: tuple[int, ...] = (8, 8), batch: int = 2) -> tuple[Tensor, ...]:
        """Random inputs of `forward`: features (batch, channels, *size)."""
        return (torch.randn(batch, channels, *size),)

    def amend(self, **facts: object) -> None:
        """Other facts for this module, where an option makes it another form of the mechanism."""
        self.facts = replace(self.facts, **facts)  # type: ignore[misc, arg-type]

    def temper(self, map: Tensor, neutral: float = 1.0) -> Tensor:
        """The map as it is applied: unchanged with `start="paper"`, else neutral + strength (map - neutral)."""
        if self.strength is None:
            return map
        return neutral + self.strength.to(map.dtype) * self._settled(map - neutral)

    def add(self, x: Tensor, h: Tensor) -> Tensor:
        """The residual form: x + h with `start="paper"`, else x + strength h, in x's dtype and strides.

        `h` broadcasts to the shape of x. With a strength the sum is taken in at least float32.
        """
        if self.strength is None:
            return x + h.to(x.dtype)
        start = widen(x)
        return (start + self.strength.to(start.dtype) * self._settled(h.to(start.dtype))).to(x.dtype)

    def blend(self, x: Tensor, y: Tensor) -> Tensor:
        """What a mechanism returns that is no gate: y with `start="paper"`, else x + strength (y - x), in x's dtype.

        The difference is taken in at least float32: in float16 it may overflow.
        A y of x's shape gets x's strides too: not every convolution keeps them.
        """
        if self.strength is not None:
            start = widen(x)
            step = self._settled(y.to(start.dtype) - start)
            return (start + self.strength.to(start.dtype) * step).to(x.dtype)
        if y.shape != x.shape or _laid_out_alike(x, y):
            return y.to(x.dtype)
        return torch.empty_like(x).copy_(y)

    def _settled(self, change: Tensor) -> Tensor:
        """The change; where the strength is 0 without what overflowed, for zero times infinity is no zero."""
        assert self.strength is not None
        return torch.where(change.isfinite() | (self.strength != 0), change, torch.zeros_like(change))

    def expect(self, x: Tensor, dims: tuple[int, ...] | None = None) -> None:
        """Raises a `ShapeError` unless x is floating point (b, c, ...) with the module's channels and axes."""
        name, allowed = self.facts.name, dims or self.facts.dims
        if not x.is_floating_point():
            raise ShapeError(f"{name}: x has dtype {x.dtype}; features must be floating point: x.float().")
        if x.ndim - 2 not in allowed:
            axes = " or ".join(str(d) for d in allowed)
            raise ShapeError(
                f"{name}: x has shape {tuple(x.shape)}; it must be (b, c, ...) with {axes} position "
                f"{'axis' if allowed == (1,) else 'axes'} after the channels."
            )
        if x.shape[1] != self.channels:
            raise ShapeError(
                f"{name}: x has shape {tuple(x.shape)}, so {x.shape[1]} channels, but the module was built for "
                f"{self.channels}: build it with channels={x.shape[1]}."
            )
        if any(size == 0 for size in x.shape[2:]):
            raise ShapeError(f"{name}: x has shape {tuple(x.shape)}, so no positions; every size must be at least 1.")


def _laid_out_alike(x: Tensor, y: Tensor) -> bool:
    """Whether two tensors of one shape have the same strides on every axis that has any."""
    return not any(a != b and size > 1 for a, b, size in zip(x.stride(), y.stride(), x.shape, strict=True))
