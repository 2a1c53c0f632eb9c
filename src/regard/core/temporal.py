"""The base of mechanisms that attend to a sequence: queries and keys in, a context out."""

from abc import abstractmethod

import torch
from torch import Tensor

from regard.core.mechanism import Mechanism
from regard.core.options import at_least
from regard.core.returns import Attended, Memory
from regard.core.shapes import expect_keys, expect_query


class Temporal(Mechanism):
    """A mechanism that scores keys (b, k, dk) by a query (b, q, dq) or (b, dq) and adds up values (b, k, dv).

    Masks are exact: a weight is 0 where the mask is False, a row without anything allowed gives the context 0, and
    nothing at a masked index changes a result, not even NaN. A state is given and returned, never kept.

    Args:
        query_size: dq.
        key_size: dk.
    """

    def __init__(self, query_size: int, key_size: int) -> None:
        super().__init__()
        self.query_size = at_least(self.facts.name, "query_size", query_size, 1)
        self.key_size = at_least(self.facts.name, "key_size", key_size, 1)

    @property
    def has_state(self) -> bool:
        """True if a step needs the state that the step before returned; None always means the first step."""
        return any(given.name == "state" for given in self.facts.inputs)

    def example_inputs(self, channels: int = 16, size: tuple[int, ...] = (8,), batch: int = 2) -> tuple[Tensor, Tensor]:
        """A random query (batch, dq) and random keys (batch, *size, dk), both of the module's own sizes."""
        return torch.randn(batch, self.query_size), torch.randn(batch, *size, self.key_size)

    @abstractmethod
    def forward(
        self,
        query: Tensor,
        keys: Tensor | Memory,
        values: Tensor | None = None,
        *,
        mask: Tensor | None = None,
        state: Tensor | None = None,
        need_weights: bool = True,
    ) -> Attended:
        """The context of the query.

        Args:
            query: (b, q, dq), or (b, dq) for a single one.
            keys: (b, k, dk), or the result of `remember`.
            values: (b, k, dv); None means the keys.
            mask: (b, k) or (b, q, k), bool, True where attention is allowed. A memory has its own.
            state: the result's `state` of the last step, its first axis the batch; None is the first step.
            need_weights: whether the weights are returned; they are made then, or where the tap is watched.
        """

    @abstractmethod
    def remember(self, keys: Tensor, values: Tensor | None = None, mask: Tensor | None = None) -> Memory:
        """The keys and values projected once, to be used step by step: `module(query, memory, state=...)`."""

    def expect(self, query: Tensor, keys: Tensor, values: Tensor | None = None, mask: Tensor | None = None) -> None:
        """Raises a `ShapeError` unless query, keys, values and mask fit one another and the module's sizes."""
        self.expect_memory(keys, values, mask)
        expect_query(self.facts.name, query, self.query_size, keys)

    def expect_memory(self, keys: Tensor, values: Tensor | None = None, mask: Tensor | None = None) -> None:
        """Raises a `ShapeError` unless keys, values and mask fit one another and the module's `key_size`."""
        expect_keys(self.facts.name, keys, self.key_size, values, mask)
