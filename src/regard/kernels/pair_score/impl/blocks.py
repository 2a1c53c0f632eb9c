"""Block by block, in both directions: memory of one block instead of hidden x queries x keys."""

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from regard.core.precision import wide, widen

ON_CPU, ON_DEVICE = 2**17, 2**25
"""Numbers in a block: what a core's cache holds, and what keeps an accelerator busy."""


def score_pairs(query: Tensor, keys: Tensor, weight: Tensor) -> Tensor:
    """See `regard.kernels.pair_score.api.score_pairs`."""
    scores: Tensor = torch.ops.regard.score_pairs(query, keys, weight.to(query.dtype))
    return widen(scores)


Block = tuple[slice, slice, slice]
"""Rows of the batch, queries and keys."""


def blocks(b: int, q: int, k: int, h: int, most: int) -> Iterator[Block]:
    """Every pair once, in blocks of at most `most` numbers, but at least one pair.

    >>> [(rows.start, queries.start, keys.start) for rows, queries, keys in blocks(1, 2, 4, 10, 20)]
    [(0, 0, 0), (0, 0, 2), (0, 1, 0), (0, 1, 2)]
    >>> [(rows.start, rows.stop) for rows, *_ in blocks(3, 4, 5, 10, 400)]
    [(0, 2), (2, 4)]
    """
    keys = max(1, min(k, most // max(1, h)))
    queries = max(1, min(q, most // max(1, keys * h)))
    rows = max(1, most // max(1, q * k * h)) if (queries, keys) == (q, k) else 1
    starts = itertools.product(range(0, b, rows), range(0, q, queries), range(0, k, keys))
    for row, query, key in starts:
        yield slice(row, row + rows), slice(query, query + queries), slice(key, key + keys)


def _blocks(query: Tensor, keys: Tensor) -> Iterator[Block]:
    most = ON_CPU if query.device.type == "cpu" else ON_DEVICE
    return blocks(query.shape[0], query.shape[1], keys.shape[1], keys.shape[2], most)


def _hidden(query: Tensor, keys: Tensor, block: Block) -> Tensor:
    rows, part, columns = block
    return (query[rows, part].unsqueeze(2) + keys[rows, columns].unsqueeze(1)).tanh_()


def _score(query: Tensor, keys: Tensor, weight: Tensor) -> Tensor:
    scores = query.new_empty(query.shape[0], query.shape[1], keys.shape[1])
    for block in _blocks(query, keys):
        scores[block] = _hidden(query, keys, block) @ weight
    return scores


def _differentiate(upstream: Tensor, query: Tensor, keys: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    dtype = wide(query.dtype)
    to_query, to_keys = torch.zeros_like(query, dtype=dtype), torch.zeros_like(keys, dtype=dtype)
    to_weight = torch.zeros_like(weight, dtype=dtype)
    for block in _blocks(query, keys):
        rows, part, columns = block
        seen, above = _hidden(query, keys, block), upstream[block]
        to_weight += above.flatten() @ seen.flatten(0, 2)
        slope = seen.square_().neg_().add_(1).mul_(above.unsqueeze(-1))
        to_query[rows, part] += slope.sum(2, dtype=dtype)
        to_keys[rows, columns] += slope.sum(1, dtype=dtype)
    return (to_query * weight).to(query.dtype), (to_keys * weight).to(keys.dtype), to_weight.to(weight.dtype)


def _scores_like(query: Tensor, keys: Tensor, weight: Tensor) -> Tensor:
    return query.new_empty(query.shape[0], query.shape[1], keys.shape[1])


def _gradients_like(upstream: Tensor, query: Tensor, keys: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return query.new_empty(query.shape), keys.new_empty(keys.shape), weight.new_empty(weight.shape)


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    made: tuple[Tensor, Tensor, Tensor] = torch.ops.regard.score_pairs_backward(upstream, *ctx.saved_tensors)
    return made


# Not by `custom_op`, whose first call imports the compiler, which takes seconds.
_LIBRARY = torch.library.Library("regard", "FRAGMENT")
_LIBRARY.define("score_pairs(Tensor query, Tensor keys, Tensor weight) -> Tensor")
_LIBRARY.define(
    "score_pairs_backward(Tensor upstream, Tensor query, Tensor keys, Tensor weight) -> (Tensor, Tensor, Tensor)"
)
_LIBRARY.impl("score_pairs", _score, "CompositeExplicitAutograd")
_LIBRARY.impl("score_pairs_backward", _differentiate, "CompositeExplicitAutograd")
torch.library.register_fake("regard::score_pairs", _scores_like, lib=_LIBRARY)
torch.library.register_fake("regard::score_pairs_backward", _gradients_like, lib=_LIBRARY)
torch.library.register_autograd("regard::score_pairs", _backward, setup_context=_keep, lib=_LIBRARY)
