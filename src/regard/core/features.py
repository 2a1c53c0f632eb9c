"""The base of mechanisms that take features: x in, features of the same shape or a vector out."""

from abc import abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn

from regard.core.mechanism import Mechanism
from regard.core.options import at_least, one_of
from regard.core.precision import widen
from regard.core.shapes import expect_features

Start = Literal["paper", "identity"]


class Features(Mechanism):
    """A mechanism on features x (b, c, ...).

    In `forward` a subclass calls `expect`, computes its logits, normalises them in at least float32, lets `temper` and
    a tap pass the map, and applies it.

    Args:
        channels: the number of channels c of the features.
        start: `paper` starts as published; `identity` adds one scalar `strength`, zero at first, so that the
            module changes nothing until it is trained: each map m becomes n + strength (m - n), n its neutral value;
            a residual form x + h(x) becomes x + strength h(x); a mechanism that is neither gives
            x + strength (y - x) instead. A published initial value that would keep h at zero (a scale of zero) is
            one then, or nothing could leave zero.
    """

    strength: nn.Parameter | None

    def __init__(self, channels: int, *, start: Start = "paper") -> None:
        super().__init__()
        self.channels = at_least(self.facts.name, "channels", channels, 1)
        one_of(self.facts.name, "start", start, ("paper", "identity"))
        self.register_parameter("strength", nn.Parameter(torch.zeros(())) if start == "identity" else None)

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Features of the shape of x (b, c, ...), or a vector (b, c), as `facts.returns` says."""

    def example_inputs(self, channels: int = 16, size: tuple[int, ...] = (8, 8), batch: int = 2) -> tuple[Tensor, ...]:
        """Random inputs of `forward`: features (batch, channels, *size), then those of `facts.inputs` with examples."""
        examples = (given.example for given in self.facts.inputs)
        x = torch.randn(batch, channels, *size)
        return (x, *(example(channels, size, batch) for example in examples if example is not None))

    def temper(self, values: Tensor, neutral: float = 1.0) -> Tensor:
        """The map as it is applied: unchanged with `start="paper"`, else neutral + strength (map - neutral)."""
        if self.strength is None:
            return values
        return neutral + self.strength.to(values.dtype) * self._drop_overflow(values - neutral)

    def add(self, x: Tensor, h: Tensor) -> Tensor:
        """The residual form: x + h with `start="paper"`, else x + strength h, in x's dtype and strides.

        `h` broadcasts to the shape of x. With a strength the sum is taken in at least float32.
        """
        if self.strength is None:
            return x + h.to(x.dtype)
        start = widen(x)
        return (start + self.strength.to(start.dtype) * self._drop_overflow(h.to(start.dtype))).to(x.dtype)

    def blend(self, x: Tensor, y: Tensor) -> Tensor:
        """The result of a mechanism that is no gate: y with `start="paper"`, else x + strength (y - x), in x's dtype.

        The difference is taken in at least float32: in float16 it may overflow.
        A y of x's shape gets x's strides too: not every convolution keeps them.
        """
        if self.strength is not None:
            start = widen(x)
            step = self._drop_overflow(y.to(start.dtype) - start)
            return (start + self.strength.to(start.dtype) * step).to(x.dtype)
        if y.shape != x.shape or _same_strides(x, y):
            return y.to(x.dtype)
        return torch.empty_like(x).copy_(y)

    def _drop_overflow(self, change: Tensor) -> Tensor:
        """Replace by 0 what overflowed in the change while the strength is 0, because zero times infinity is NaN."""
        assert self.strength is not None
        return torch.where(change.isfinite() | (self.strength != 0), change, torch.zeros_like(change))

    def expect(self, x: Tensor, dims: tuple[int, ...] | None = None) -> None:
        """Raises a `ShapeError` unless x is floating point (b, c, ...) with the module's channels and axes."""
        expect_features(self.facts.name, x, self.channels, dims or self.facts.dims)


def _same_strides(x: Tensor, y: Tensor) -> bool:
    """Returns whether two tensors of one shape have the same strides on every axis longer than 1."""
    return not any(a != b and size > 1 for a, b, size in zip(x.stride(), y.stride(), x.shape, strict=True))
