"""The base of every attention mechanism: its facts, its checks, and how it starts as the identity."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from regard.core.errors import ShapeError
from regard.core.facts import Facts
from regard.core.options import at_least, one_of

Start = Literal["paper", "identity"]


class Mechanism(nn.Module, ABC):
    """One published way to score, normalise and apply weights.

    A subclass sets `facts`, registers its parameters in the order of its formula, and in `forward` calls `expect`,
    computes its logits, normalises them in at least float32, lets `temper` and a tap pass the map, and applies it.
    Where it needs initial values of its own, it has a method `reset_parameters` (PyTorch's convention).

    Args:
        channels: the number of channels c of the features.
        start: `paper` starts as published; `identity` adds one scalar `strength`, zero at first, so that the
            module changes nothing until it is trained: each map m becomes n + strength (m - n), n its neutral value.
    """

    facts: ClassVar[Facts]
    strength: nn.Parameter | None

    def __init__(self, channels: int, *, start: Start = "paper") -> None:
        super().__init__()
        self.channels = at_least(self.facts.name, "channels", channels, 1)
        one_of(self.facts.name, "start", start, ("paper", "identity"))
        self.register_parameter("strength", nn.Parameter(torch.zeros(())) if start == "identity" else None)

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Features of the shape of x (b, c, ...), weighed."""

    @classmethod
    def example_inputs(cls, channels: int = 16, size: tuple[int, ...] = (8, 8), batch: int = 2) -> tuple[Tensor, ...]:
        """Random inputs of `forward`: features (batch, channels, *size)."""
        return (torch.randn(batch, channels, *size),)

    def temper(self, map: Tensor, neutral: float = 1.0) -> Tensor:
        """The map as it is applied: unchanged with `start="paper"`, else neutral + strength (map - neutral)."""
        if self.strength is None:
            return map
        return neutral + self.strength.to(map.dtype) * (map - neutral)

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
