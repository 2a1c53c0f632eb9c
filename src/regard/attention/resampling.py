"""Maps and features of one size brought to another, axis by axis, by products with matrices built from the sizes.

`interpolate` and adaptive pooling freeze the size in an export, and their gradients vary from run to run on CUDA.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from regard.core.products import without_autocast


def interpolate(x: Tensor, size: tuple[int, ...], *, align_corners: bool = False) -> Tensor:
    """Linear interpolation of x (..., *given) to (..., *size), over as many axes as `size` has.

    Args:
        x: floating point.
        size: of the last axes.
        align_corners: whether the outermost centres stay where they are; else the outer edges do, and values beyond
            the outermost centres are constant.

    Example:
        >>> interpolate(torch.tensor([0.0, 1.0]), (4,)).tolist()
        [0.0, 0.25, 0.75, 1.0]
        >>> interpolate(torch.tensor([0.0, 1.0]), (3,), align_corners=True).tolist()
        [0.0, 0.5, 1.0]
    """
    return over_axes(x, size, _corner_matrix if align_corners else _edge_matrix)


def average(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """Adaptive average pooling of x (..., *given) to (..., *size): cell i is the mean from floor(i n/m) to ceil((i+1) n/m).

    >>> average(torch.tensor([1.0, 2.0, 6.0]), (2,)).tolist()
    [1.5, 4.0]
    """  # noqa: E501
    return over_axes(x, size, _mean_matrix)


def over_axes(x: Tensor, size: tuple[int, ...], matrix: Callable[[int, int, Tensor], Tensor]) -> Tensor:
    """The product of x (..., *given) with a matrix for each of the last axes, (..., *size).

    Its sums are statistics, so autocast is left out.

    Args:
        x: floating point.
        size: of the last axes.
        matrix: (given, wanted, like) -> the matrix (given, wanted) in the dtype and on the device of `like`.
    """
    first = x.ndim - len(size)
    with without_autocast(x):
        for axis, wanted in enumerate(size, start=first):
            x = (x.movedim(axis, -1) @ matrix(x.shape[axis], wanted, x)).movedim(-1, axis)
    return x


def _edge_matrix(given: int, wanted: int, like: Tensor) -> Tensor:
    """(given, wanted): interpolation between the centres of cells, constant beyond the outer ones."""
    centres = (torch.arange(wanted, device=like.device, dtype=like.dtype) + 0.5) * (given / wanted) - 0.5
    return _hat_matrix(centres.clamp(0, given - 1), given)


def _corner_matrix(given: int, wanted: int, like: Tensor) -> Tensor:
    """(given, wanted): interpolation between the centres of cells, the outer ones of both sizes coinciding."""
    steps = torch.arange(wanted, device=like.device, dtype=like.dtype)
    return _hat_matrix(steps * ((given - 1) / max(wanted - 1, 1)), given)


def _hat_matrix(positions: Tensor, given: int) -> Tensor:
    """(given, positions): 1 at the own cell, falling to 0 at its neighbours'."""
    cells = torch.arange(given, device=positions.device, dtype=positions.dtype)
    return (1 - (positions - cells[:, None]).abs()).clamp_min(0)


def _mean_matrix(given: int, wanted: int, like: Tensor) -> Tensor:
    """(given, wanted): the share of each cell in each mean."""
    cells = torch.arange(given, device=like.device)
    out = torch.arange(wanted, device=like.device)
    starts, ends = out * given // wanted, -(-(out + 1) * given // wanted)
    inside = ((cells[:, None] >= starts) & (cells[:, None] < ends)).to(like.dtype)
    return inside / inside.sum(0)
