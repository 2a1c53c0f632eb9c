"""Bessel's correction of a variance over positions, also where there is a single one."""

import math

from torch import Tensor

from regard.core.precision import wide


def bessel(x: Tensor) -> Tensor:
    """n / (n - 1) for the n positions of x (b, c, ...), a scalar in at least float32; for one position 1.

    It is built from the sizes, so that an export keeps them dynamic.

    >>> import torch
    >>> bessel(torch.zeros(1, 1, 5)).item(), bessel(torch.zeros(1, 1, 1, 1)).item()
    (1.25, 1.0)
    """
    positions = x.new_full((), math.prod(x.shape[2:]), dtype=wide(x.dtype))
    return positions / (positions - 1).clamp_min(1)
