"""The additive score of every query and every key: what additive attention normalises."""

from typing import Literal

import torch
from torch import Tensor

from regard.core.errors import ShapeError
from regard.kernels.choice import choose
from regard.kernels.pair_score.impl import blocks, reference

Impl = Literal["auto", "blocks", "reference"]


def score_pairs(query: Tensor, keys: Tensor, weight: Tensor, *, impl: Impl = "auto") -> Tensor:
    """w · tanh(query + key) of every query and every key of one sequence.

    Args:
        query: (b, q, h).
        keys: (b, k, h).
        weight: (h,), w.
        impl: the implementation, see `choose`; `blocks` keeps memory apart from h x q x k.

    Returns:
        (b, q, k) in at least float32.

    Raises:
        ShapeError: sizes that do not fit one another.
        OptionError: an implementation that cannot be had.

    Example:
        >>> score_pairs(torch.zeros(1, 2, 4), torch.ones(1, 3, 4), torch.ones(4)).shape
        torch.Size([1, 2, 3])
    """
    fits = query.ndim == keys.ndim == 3 and weight.ndim == 1 and query.shape[0] == keys.shape[0]
    if not fits or not query.shape[2] == keys.shape[2] == weight.shape[0]:
        raise ShapeError(
            f"score_pairs: query, keys and weight have the shapes {tuple(query.shape)}, {tuple(keys.shape)} and "
            f"{tuple(weight.shape)}; they must be (b, q, h), (b, k, h) and (h,)."
        )
    dtype = torch.promote_types(query.dtype, keys.dtype)
    plain = torch.compiler.is_exporting() or query.shape[1] == 1
    known = ("reference", "blocks") if plain else ("blocks", "reference")
    way = blocks if choose("score_pairs", impl, known) == "blocks" else reference
    return way.score_pairs(query.to(dtype), keys.to(dtype), weight)
