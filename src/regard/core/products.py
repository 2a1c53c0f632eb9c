"""Matrix products whose results half precision could not hold or tell apart."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from regard.core.precision import widen


def wide_product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b in at least float32, also under autocast, which would compute it in half precision.

    >>> wide_product(torch.full((1, 64), 64.0).half(), torch.full((64, 1), 64.0).half()).item()
    262144.0
    """
    with without_autocast(a):
        return widen(a) @ widen(b)


def without_autocast(like: Tensor) -> AbstractContextManager[object]:
    """Inside, products on the device of `like` are computed in the dtype of their factors."""
    # Where nothing is cast there is nothing to switch off, and an export stays free of it.
    casts = autocast_dtype(like) is not None
    return torch.autocast(like.device.type, enabled=False) if casts else nullcontext()


def autocast_dtype(like: Tensor) -> torch.dtype | None:
    """The dtype that autocast computes products in on the device of `like`; None where it casts nothing."""
    kind = like.device.type
    casts = kind != "meta" and torch.is_autocast_enabled(kind)
    return torch.get_autocast_dtype(kind) if casts else None
