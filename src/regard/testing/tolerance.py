"""The tolerance between two computations of one result: one rule for every check, locally and in CI."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from regard.core.precision import wide

_CHAIN = 8
"""Roundings that a mechanism's longest chain of layers puts one after another, rounded up to a power of two."""


def allowed_difference(dtype: torch.dtype, terms: int = 1) -> float:
    """The largest difference that rounding explains, relative to the largest magnitude.

    Every step of a chain rounds its result to `dtype`, and a sum of n terms, accumulated in at least float32,
    adds about sqrt(n) roundings of that: 8 (eps(dtype) + sqrt(n) eps(wide(dtype))).

    Args:
        dtype: the dtype of the features.
        terms: n, the length of the longest sum, see `longest_sum`.

    Example:
        >>> allowed_difference(torch.float32, 100) < 1.1e-5 < allowed_difference(torch.float16)
        True
    """
    return _CHAIN * (torch.finfo(dtype).eps + math.sqrt(terms) * torch.finfo(wide(dtype)).eps)


def longest_sum(module: nn.Module, inputs: Iterable[Tensor]) -> int:
    """The number of terms of the longest sum that `module` takes: over the batch's positions, or a layer's fan-in.

    >>> longest_sum(nn.Conv2d(16, 8, 3), [torch.zeros(2, 16, 5, 5)])
    144
    """
    features = [x.numel() // x.shape[1] for x in inputs if x.ndim > 1 and x.shape[1]]
    layers = [p.numel() // p.shape[0] for p in module.parameters() if p.ndim > 1 and p.shape[0]]
    return max([1, *features, *layers])
