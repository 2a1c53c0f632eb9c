"""Features sampled between their positions, with any number of position axes."""

import itertools

import torch
from torch import Tensor

from regard.core.precision import widen

NONDETERMINISTIC = "scatter_add_, the gradient of gather, without torch.use_deterministic_algorithms(True)"
"""The operator in the gradient of `sample` whose result varies on CUDA."""


def sample(x: Tensor, grid: Tensor, *, border: bool = False) -> Tensor:
    """Linear interpolation of x at the points of a grid, as `grid_sample` without aligned corners.

    `grid_sample` takes neither one position axis nor, in ONNX, three, and its gradient refuses to be deterministic on
    CUDA; this one takes any number of axes and repeats where PyTorch is set to.

    Args:
        x: (b, c, *size).
        grid: (b, *points, d), the last axis of x first, -1 and 1 the outer edges; in at least float32.
        border: whether points outside have the value of the edge; else it is 0.

    Returns:
        (b, c, *points) in the dtype that x and float32 widen to.

    Example:
        >>> import torch
        >>> x = torch.tensor([[[1.0, 3.0]]])
        >>> sample(x, torch.tensor([[[-0.5], [0.0], [1.0]]])).tolist()
        [[[1.0, 2.0, 1.5]]]
        >>> sample(x, torch.tensor([[[1.0]]]), border=True).tolist()
        [[[3.0]]]
    """
    size, channels, points = x.shape[2:], x.shape[1], grid.shape[1:-1]
    # For each axis of x the cells on both sides of every point, and the share of each.
    axes = [_neighbours(grid[..., -1 - axis].flatten(1), n, border) for axis, n in enumerate(size)]
    values = widen(x).flatten(2)
    total = torch.zeros((), dtype=values.dtype, device=values.device)
    for corner in itertools.product((0, 1), repeat=len(axes)):
        (cells, shares), *others = ((cell[side], share[side]) for side, (cell, share) in zip(corner, axes, strict=True))
        for n, (cell, share) in zip(size[1:], others, strict=True):
            cells, shares = cells * n + cell, shares * share
        total = total + values.gather(2, cells.unsqueeze(1).expand(-1, channels, -1)) * shares.unsqueeze(1)
    return total.reshape(*x.shape[:2], *points)


def _neighbours(points: Tensor, n: int, border: bool) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The cells left and right of each point (as indices that exist), and their shares."""
    centre = ((points + 1) * n - 1) / 2
    centre = centre.clamp(0, n - 1) if border else centre.clamp(-1, n)
    left = centre.detach().floor()
    right, part = left + 1, centre - left
    cells = tuple(cell.clamp(0, n - 1).long() for cell in (left, right))
    shares = (1 - part) * ((left >= 0) & (left < n)), part * ((right >= 0) & (right < n))
    return (cells[0], cells[1]), shares
