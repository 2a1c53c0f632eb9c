"""Block by block, in both directions: memory of one block instead of hidden x queries x keys."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from regard.core.precision import wide, widen

ON_CPU, ON_DEVICE = 2**17, 2**25
"""Numbers in a block: what a core's cache holds, and what keeps an accelerator busy."""


def score_pairs(query: Tensor, keys: Tensor, weight: Tensor) -> Tensor:
    """See `regard.kernels.pair_score.api.score_pairs`."""
    return widen(_scores(query, keys, weight.to(query.dtype)))


def blocks(b: int, q: int, width: int, most: int) -> Iterator[tuple[slice, slice]]:
    """Rows of the batch and queries, so that each block has at most `most` numbers, but at least one query.

    >>> [(rows.start, queries.start) for rows, queries in blocks(2, 4, 10, 20)]
    [(0, 0), (0, 2), (1, 0), (1, 2)]
    >>> [(rows.start, rows.stop) for rows, _ in blocks(3, 4, 10, 80)]
    [(0, 2), (2, 4)]
    """
    queries = max(1, min(q, most // max(1, width)))
    rows = max(1, most // max(1, q * width)) if queries == q else 1
    for row in range(0, b, rows):
        for start in range(0, q, max(1, queries)):
            yield slice(row, row + rows), slice(start, start + queries)


def _blocks(query: Tensor, keys: Tensor) -> Iterator[tuple[slice, slice]]:
    most = ON_CPU if query.device.type == "cpu" else ON_DEVICE
    return blocks(query.shape[0], query.shape[1], keys.shape[1] * keys.shape[2], most)


@torch.library.custom_op("regard::score_pairs", mutates_args=())
def _scores(query: Tensor, keys: Tensor, weight: Tensor) -> Tensor:
    scores = query.new_empty(query.shape[0], query.shape[1], keys.shape[1])
    for rows, part in _blocks(query, keys):
        seen = (query[rows, part].unsqueeze(2) + keys[rows].unsqueeze(1)).tanh_()
        scores[rows, part] = seen @ weight
    return scores


@torch.library.custom_op("regard::score_pairs_backward", mutates_args=())
def _gradients(upstream: Tensor, query: Tensor, keys: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    dtype = wide(query.dtype)
    to_query, to_keys = torch.zeros_like(query, dtype=dtype), torch.zeros_like(keys, dtype=dtype)
    to_weight = torch.zeros_like(weight, dtype=dtype)
    for rows, part in _blocks(query, keys):
        seen = (query[rows, part].unsqueeze(2) + keys[rows].unsqueeze(1)).tanh_()
        above = upstream[rows, part]
        to_weight += above.flatten() @ seen.flatten(0, 2)
        slope = seen.square_().neg_().add_(1).mul_(above.unsqueeze(-1))
        to_query[rows, part] = slope.sum(2, dtype=dtype)
        to_keys[rows] += slope.sum(1, dtype=dtype)
    return (to_query * weight).to(query.dtype), (to_keys * weight).to(keys.dtype), to_weight.to(weight.dtype)


@_scores.register_fake
def _(query: Tensor, keys: Tensor, weight: Tensor) -> Tensor:
    return query.new_empty(query.shape[0], query.shape[1], keys.shape[1])


@_gradients.register_fake
def _(upstream: Tensor, query: Tensor, keys: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return query.new_empty(query.shape), keys.new_empty(keys.shape), weight.new_empty(weight.shape)


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    made: tuple[Tensor, Tensor, Tensor] = _gradients(upstream.contiguous(), *ctx.saved_tensors)
    return made


_scores.register_autograd(_backward, setup_context=_keep)
