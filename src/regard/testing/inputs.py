"""The reference inputs of the checks, the same numbers in every run."""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from regard.core.seeding import generator

SIZES: Mapping[int, tuple[tuple[int, ...], ...]] = MappingProxyType(
    {
        1: ((1,), (7,), (12,)),
        2: ((1, 1), (1, 7), (5, 1), (7, 7), (6, 9), (13, 4)),
        3: ((1, 1, 1), (2, 2, 7), (3, 5, 4)),
    }
)
"""Sizes by the number of position axes: a single position, odd, even, long and thin."""

PLAIN: Mapping[int, tuple[int, ...]] = MappingProxyType({1: (8,), 2: (8, 8), 3: (4, 4, 4)})
"""The size at which any mechanism works."""

MANY: Mapping[int, tuple[int, ...]] = MappingProxyType({1: (1024,), 2: (32, 32), 3: (8, 8, 16)})
"""A size of 1,024 positions, over which a sum of squares of `loud` features leaves the range of float16."""


def features(
    channels: int = 16,
    size: tuple[int, ...] = (8, 8),
    *,
    batch: int = 2,
    dtype: torch.dtype = torch.float32,
    draw: int = 0,
) -> Tensor:
    """Standard normal features (batch, channels, *size); another `draw` gives other numbers.

    >>> bool((features() == features()).all()), bool((features() == features(draw=1)).any())
    (True, False)
    """
    source = generator("features", channels, *size, batch, draw)
    return torch.randn(batch, channels, *size, generator=source).to(dtype)


def amplify(x: Tensor) -> Tensor:
    """x moved to mean 8 and standard deviation 8, as strong as features of a trained network can be.

    >>> y = amplify(features(size=MANY[2])).half()
    >>> bool(y.square().isfinite().all()), bool(y.square().sum((2, 3)).isfinite().any())
    (True, False)
    """
    return 8 + 8 * x
