"""Statistics, softmax and sigmoid are computed in at least float32, whatever the dtype of the features."""

import torch
from torch import Tensor

HALF_PRECISION = (torch.float16, torch.bfloat16)
"""Half precision."""


_WIDE = (torch.float32, torch.float64)


def wide(dtype: torch.dtype) -> torch.dtype:
    """`dtype`, or float32 where that is wider.

    >>> wide(torch.float16), wide(torch.float64)
    (torch.float32, torch.float64)
    """
    return torch.float64 if dtype == torch.float64 else torch.float32


def widen(x: Tensor) -> Tensor:
    """`x` in at least float32."""
    return x if x.dtype in _WIDE else x.to(torch.float32)
