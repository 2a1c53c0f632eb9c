"""The oracle in plain PyTorch."""

import torch
from torch import Tensor

from regard.core.precision import wide, widen


def squeeze_positions(x: Tensor, statistics: tuple[str, ...]) -> tuple[Tensor, ...]:
    """See `regard.kernels.squeeze.api.squeeze_positions`."""
    axes = tuple(range(2, x.ndim))
    ways = {
        "mean": lambda: x.mean(axes, dtype=wide(x.dtype)),
        "max": lambda: widen(x.amax(axes)),
        "power": lambda: widen(x).square().mean(axes),
        "std": lambda: _root(torch.var(widen(x), axes, correction=0)),
    }
    return tuple(ways[statistic]() for statistic in statistics)


def _root(variance: Tensor) -> Tensor:
    """The square root, whose gradient at 0 is taken as 0: a channel of one position varies nowhere."""
    varies = variance > 0
    return torch.where(varies, variance, 1).sqrt() * varies
