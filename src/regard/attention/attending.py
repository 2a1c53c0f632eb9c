"""Dot-product attention whose map passes a tap: fused while nobody looks, made in full when anyone does."""

from torch import Tensor, softmax
from torch.nn.functional import scaled_dot_product_attention

from regard.core.precision import widen
from regard.core.tap import Tap


def attend(
    tap: Tap,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    shape: tuple[int, ...],
    scale: float | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """softmax(scale q k' + bias) v, for each of n heads.

    While nothing watches the tap, `scaled_dot_product_attention` computes it and never makes the map, whose size grows
    with queries times keys; a sink or a replacement gets the map in at least float32.

    Args:
        tap: of kind `query` or `affinity`.
        query: (b, n, q, d).
        key: (b, n, k, d).
        value: (b, n, k, e).
        shape: of the map behind (b, n), as the tap's kind has it: (*queries, *keys), with products q and k.
        scale: of the logits; None means 1 / sqrt(d).
        bias: added to the logits; broadcasts to (b, n, q, k).

    Returns:
        (b, n, q, e) in the value's dtype.

    Example:
        >>> import torch
        >>> q, k, v = torch.zeros(1, 1, 4, 2), torch.zeros(1, 1, 4, 2), torch.arange(4.0).reshape(1, 1, 4, 1)
        >>> attend(Tap("query", neutral="uniform"), q, k, v, shape=(2, 2, 2, 2)).flatten().tolist()
        [1.5, 1.5, 1.5, 1.5]
    """
    if not tap.watched:
        mask = None if bias is None else bias.to(query.dtype)
        return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    logits = widen(query) * scale @ widen(key).transpose(-1, -2)
    shares = softmax(logits if bias is None else logits + bias.to(logits.dtype), -1)
    map = tap(shares.reshape(*shares.shape[:2], *shape)).reshape(shares.shape)
    return map.to(value.dtype) @ value
