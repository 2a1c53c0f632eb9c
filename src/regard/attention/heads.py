"""Positions as tokens, and tokens in heads."""

import math

from torch import Tensor

from regard.core.errors import OptionError
from regard.core.options import at_least


def to_tokens(x: Tensor) -> Tensor:
    """(b, c, ...) as (b, positions, c).

    >>> import torch
    >>> to_tokens(torch.zeros(2, 8, 3, 5)).shape
    torch.Size([2, 15, 8])
    """
    return x.flatten(2).transpose(1, 2)


def to_features(tokens: Tensor, like: Tensor) -> Tensor:
    """(b, positions, c) as (b, c, ...), with the position axes of `like`."""
    return tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], *like.shape[2:])


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """(b, positions, n d) as (b, n, positions, d)."""
    return tokens.unflatten(2, (heads, -1)).transpose(1, 2)


def merge_heads(tokens: Tensor) -> Tensor:
    """(b, n, positions, d) as (b, positions, n d)."""
    return tokens.transpose(1, 2).flatten(2)


def head_count(owner: str, heads: int | None, default: int, channels: int) -> int:
    """`heads` where it divides the channels; None means the largest number that divides `default` and the channels.

    >>> head_count("multihead", None, 8, 64), head_count("multihead", None, 8, 12)
    (8, 4)
    """
    if heads is None:
        return math.gcd(default, channels)
    at_least(owner, "heads", heads, 1)
    if channels % heads:
        raise OptionError(
            f"{owner}: heads={heads} is not allowed; it must divide the channels, {channels} "
            f"(try {math.gcd(heads, channels)})."
        )
    return heads
