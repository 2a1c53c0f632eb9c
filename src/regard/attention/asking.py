"""Queries put to keys and values of which nothing is left that a mask excludes: so masks of sequences are exact."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from regard.attention.attending import aligned_width, fill
from regard.attention.layers import masked_softmax
from regard.core.errors import ShapeError
from regard.core.precision import wide
from regard.core.returns import Attended, Memory
from regard.core.shapes import expect_query
from regard.core.temporal import Temporal

First = Literal["first", "uniform", "zero"]
"""The alignment before the first step."""


def memorise(
    module: Temporal,
    keys: Tensor,
    values: Tensor | None,
    mask: Tensor | None,
    project: Callable[[Tensor], Tensor] | None = None,
) -> Memory:
    """Zeroes keys and values where they are masked, then projects the keys: the body of `remember`.

    They are zeroed before any product, for zero times NaN is NaN. With a mask (b, q, k) a key that one query may see
    and another may not has to stay; where it is not finite it is zeroed too, and its value is marked by NaN, which only
    those who may see it get, see `ask`.
    """
    module.expect_memory(keys, values, mask)
    alone = values is None
    values = keys if values is None else values
    if mask is not None:
        there = mask if mask.ndim == 2 else mask.any(1)
        spoiled = None
        if mask.ndim == 3:
            finite = keys.isfinite().all(-1) & values.isfinite().all(-1)
            spoiled, there = (there & ~finite).unsqueeze(-1), there & finite
        keys = torch.where(there.unsqueeze(-1), keys, 0)
        values = keys if alone else torch.where(there.unsqueeze(-1), values, 0)
        values = values if spoiled is None else values.masked_fill(spoiled, torch.nan)
    return Memory(keys if project is None else project(keys), values, mask)


@dataclass(frozen=True, eq=False)
class Asked:
    """A query and what it is put to, without what the mask excludes.

    Attributes:
        query: (b, q, dq).
        keys: (b, k, d), projected.
        values: (b, k, dv).
        allowed: (b, 1, k) or (b, q, k), True where attention is allowed; None allows all.
        spoiled: (b, 1, k), values that were not finite and are zero now, which only some queries may see.
        single: whether there was one query (b, dq).
    """

    query: Tensor
    keys: Tensor
    values: Tensor
    allowed: Tensor | None
    spoiled: Tensor | None
    single: bool

    def only(self, near: Tensor) -> "Asked":
        """The same where `near`, (b, 1, k) or (b, q, k), is True too."""
        return replace(self, allowed=near if self.allowed is None else self.allowed & near)

    def steps(self) -> Iterator["Asked"]:
        """Each query by itself, in order, for mechanisms whose steps need one another."""
        several = self.allowed is not None and self.allowed.shape[1] > 1
        for step in range(self.query.shape[1]):
            here = slice(step, step + 1)
            allowed = self.allowed[:, here] if several and self.allowed is not None else self.allowed
            yield replace(self, query=self.query[:, here], allowed=allowed)

    def begin(self, first: First) -> Tensor:
        """The alignment (b, k) before the first step: on the `first` key that is allowed, `uniform`, or `zero`."""
        b, k, _ = self.keys.shape
        if self.allowed is None:
            allowed = torch.ones(b, k, dtype=torch.bool, device=self.keys.device)
        else:
            allowed = self.allowed[:, 0]
        if first == "uniform":
            return masked_softmax(torch.zeros_like(allowed, dtype=wide(self.query.dtype)), allowed, -1)
        one = allowed & (allowed.cumsum(-1) == 1) if first == "first" else torch.zeros_like(allowed)
        return one.to(wide(self.query.dtype))

    def clear(self, state: Tensor) -> Tensor:
        """A state (b, k), or (b, n, k), that is zero where the mask of a single step is False."""
        if self.allowed is None:
            return state
        return torch.where(self.allowed[:, 0] if state.ndim == 2 else self.allowed, state, 0)

    def share(self, logits: Tensor) -> Tensor:
        """The softmax of logits (b, q, k) over the keys that are allowed; zeros where none is."""
        return self.mark(masked_softmax(logits, self.allowed, -1))

    def mark(self, weights: Tensor) -> Tensor:
        """Weights that are NaN where a query may see what is not finite."""
        if self.spoiled is None or self.allowed is None:
            return weights
        return weights.masked_fill((self.spoiled & self.allowed).any(-1, keepdim=True) & self.allowed, torch.nan)

    def gather(self, weights: Tensor) -> Tensor:
        """The context (b, q, dv) of weights (b, q, k), in the values' dtype."""
        return (weights.to(self.values.dtype) @ self.values).to(self.values.dtype)

    def fuse(self) -> Tensor:
        """The context of the weights softmax(query · key), which a fused kernel never makes."""
        dtype = torch.promote_types(torch.promote_types(self.query.dtype, self.keys.dtype), self.values.dtype)
        mask = self.allowed
        if mask is not None:
            # A row without anything allowed looks at everything instead, and gives zeros after: kernels return NaN.
            some = mask.any(-1, keepdim=True)
            mask = (mask | ~some).expand(-1, self.query.shape[1], -1)
        width = max(aligned_width(self.query.shape[-1]), aligned_width(self.values.shape[-1]))
        q, k, v = (fill(tensor.to(dtype), width).unsqueeze(1) for tensor in (self.query, self.keys, self.values))
        mask = None if mask is None else mask.unsqueeze(1)
        context = scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=1.0).squeeze(1)
        context = context[..., : self.values.shape[-1]].to(self.values.dtype)
        if self.allowed is None:
            return context
        context = torch.where(some, context, 0)
        if self.spoiled is None:
            return context
        return context.masked_fill((self.spoiled & self.allowed).any(-1, keepdim=True), torch.nan)

    def answer(self, context: Tensor, weights: Tensor | None, state: Tensor | None = None) -> Attended:
        """The result of the mechanism, without the axis of queries where there was one query."""
        if not self.single:
            return Attended(context, weights, state)
        return Attended(context.squeeze(1), None if weights is None else weights.squeeze(1), state)


def ask(
    module: Temporal, query: Tensor, keys: Tensor | Memory, values: Tensor | None = None, mask: Tensor | None = None
) -> Asked:
    """Puts a query to keys, which are remembered now, or to a memory.

    A query that may see nothing is zeroed, so that not even its gradient carries what stands there.

    Raises:
        ShapeError: what does not fit, or values or a mask beside a memory.
    """
    owner = module.facts.name
    if isinstance(keys, Memory) and (values is not None or mask is not None):
        raise ShapeError(
            f"{owner}: {'mask' if values is None else 'values'} is given beside a memory, which has its own; give it "
            "to `remember` instead."
        )
    memory = keys if isinstance(keys, Memory) else module.remember(keys, values, mask)
    expect_query(owner, query, module.query_size, memory.keys)
    single = query.ndim == 2
    query = query.unsqueeze(1) if single else query
    if memory.mask is None:
        return Asked(query, memory.keys, memory.values, None, None, single)
    if memory.mask.ndim == 2:
        allowed, values, spoiled = memory.mask.unsqueeze(1), memory.values, None
    else:
        allowed = _expect_rows(owner, memory.mask, query)
        spoiled = ~memory.values.isfinite().all(-1, keepdim=True)
        values, spoiled = memory.values.masked_fill(spoiled, 0), spoiled.transpose(1, 2)
    query = torch.where(allowed.any(-1, keepdim=True), query, 0)
    return Asked(query, memory.keys, values, allowed, spoiled, single)


def expect_state(owner: str, state: Tensor, keys: Tensor, rows: int | None = None) -> Tensor:
    """A state (b, k), or (b, rows, k), of floating point numbers, in at least float32.

    Raises:
        ShapeError: it is another.
    """
    b, k, _ = keys.shape
    shape = (b, k) if rows is None else (b, rows, k)
    if state.shape != shape or not state.is_floating_point():
        raise ShapeError(
            f"{owner}: state has shape {tuple(state.shape)} and dtype {state.dtype}; for these keys it must be "
            f"floating point {shape}: give what the last step returned, or None at the first step."
        )
    return state.to(wide(state.dtype))


def _expect_rows(owner: str, mask: Tensor, query: Tensor) -> Tensor:
    if mask.shape[1] != query.shape[1]:
        raise ShapeError(
            f"{owner}: mask has shape {tuple(mask.shape)}, with a row for each of {mask.shape[1]} queries, but there "
            f"{'is 1 query' if query.shape[1] == 1 else f'are {query.shape[1]} queries'}: give it a row for each, or "
            "one mask (b, k) for all."
        )
    return mask
