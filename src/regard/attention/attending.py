"""Dot-product attention whose map passes a tap: fused unless the tap is observed or replaced."""

import torch
from torch import Tensor, softmax
from torch.nn.functional import scaled_dot_product_attention

from regard.core.precision import widen
from regard.core.products import without_autocast
from regard.core.tap import Tap

_ALIGNED = 8
"""Fused kernels of half precision take head widths that are multiples of it."""


def attend(
    tap: Tap, query: Tensor, key: Tensor, value: Tensor, *, shape: tuple[int, ...], scale: float | None = None
) -> Tensor:
    """softmax(scale q k') v, for each of n heads.

    While nothing watches the tap, `scaled_dot_product_attention` computes it and never makes the map, whose size grows
    with queries times keys; a sink or a replacement gets the map in at least float32. Fused kernels want one aligned
    width for all three: zeros fill the narrower ones, which changes no product, and without which the kernel would
    make the map of all pairs. A width that an export keeps dynamic has to be aligned already.

    Args:
        tap: of kind `query` or `affinity`.
        query: (b, n, q, d).
        key: (b, n, k, d).
        value: (b, n, k, e).
        shape: of the map behind (b, n), as the tap's kind has it: (*queries, *keys), with products q and k.
        scale: of the logits; None means 1 / sqrt(d).

    Returns:
        (b, n, q, e) in the value's dtype.

    Example:
        >>> q, k, v = torch.zeros(1, 1, 4, 2), torch.zeros(1, 1, 4, 2), torch.arange(4.0).reshape(1, 1, 4, 1)
        >>> attend(Tap("query", shares="source"), q, k, v, shape=(2, 2, 2, 2)).flatten().tolist()
        [1.5, 1.5, 1.5, 1.5]
    """
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    if tap.watched:
        with without_autocast(query):
            shares = softmax(widen(query) * scale @ widen(key).transpose(-1, -2), -1)
            attn = tap(shares.reshape(*shares.shape[:2], *shape)).reshape(shares.shape)
            return attn.to(value.dtype) @ value
    wider = query if query.shape[-1] >= value.shape[-1] else value
    width = aligned_width(wider.shape[-1]) if isinstance(wider.shape[-1], int) else wider.shape[-1]
    q, k, v = (fill(tensor, width) for tensor in (query, key, value))
    return scaled_dot_product_attention(q, k, v, scale=scale)[..., : value.shape[-1]]


def aligned_width(width: int) -> int:
    """The smallest width of at least that many that fused half-precision kernels accept.

    >>> aligned_width(1), aligned_width(64), aligned_width(65)
    (8, 64, 72)
    """
    return (width + _ALIGNED - 1) // _ALIGNED * _ALIGNED


def fill(tensor: Tensor, width: int) -> Tensor:
    """The last axis filled with zeros up to that width."""
    if tensor.shape[-1] == width:
        return tensor
    # Not by `pad`, whose gradient has other strides than compilers expect.
    return torch.cat([tensor, tensor.new_zeros(*tensor.shape[:-1], width - tensor.shape[-1])], -1)
