"""Grids for resampling, made from a few parameters: shifts, similarities, affine maps and thin plate splines.

Coordinates are those of `identity_grid`: the last axis first, -1 and 1 the outer edges of the features.
"""

import itertools
from typing import Literal

import torch
from torch import Tensor

from regard.core.precision import widen
from regard.core.tap import identity_grid

Transform = Literal["affine", "translation", "similarity", "thin_plate"]

TRANSFORMS: tuple[Transform, ...] = ("affine", "translation", "similarity", "thin_plate")

_TURNS = {1: 1, 2: 2, 3: 4}
"""Numbers that scale and turn d axes: a factor, a complex number, a quaternion."""


class Warp:
    """A family of grids (b, *size, d).

    Args:
        transform: `affine`: a d x (d + 1) matrix; `translation`: a shift; `similarity`: a number, a complex number
            or a quaternion that scales and turns, by the sides of the cells and not of the image, then a shift;
            `thin_plate`: where the control points of a regular lattice of `control` points an axis are read, the
            smoothest grid between them.
        dims: d.
        control: points of the lattice on each axis, at least 2.

    Attributes:
        neutral: the parameters, a vector, whose grid is the identity.

    Example:
        >>> Warp("affine", 2, 4).neutral.tolist()
        [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        >>> Warp("translation", 1, 4).grid(torch.tensor([[0.5]]), (2,)).flatten().tolist()
        [0.0, 1.0]
    """

    def __init__(self, transform: Transform, dims: int, control: int) -> None:
        self.transform, self.dims = transform, dims
        self.lattice = _lattice(dims, control)
        self.solution = _solution(self.lattice) if transform == "thin_plate" else None
        self.neutral = {
            "affine": torch.eye(dims, dims + 1).flatten(),
            "translation": torch.zeros(dims),
            "similarity": torch.eye(1, _TURNS[dims] + dims).flatten(),
            "thin_plate": self.lattice.flatten().float(),
        }[transform]

    def grid(self, parameters: Tensor, size: tuple[int, ...]) -> Tensor:
        """The grid over features of that size, in at least float32.

        Args:
            parameters: (b, len(neutral)).
            size: of the position axes.
        """
        parameters = widen(parameters)
        points = identity_grid(size, parameters)
        if self.transform == "translation":
            return points + _expand_axes(points, parameters)
        if self.transform == "affine":
            matrix = parameters.unflatten(1, (self.dims, self.dims + 1))
            return _apply(matrix[..., :-1], points) + _expand_axes(points, matrix[..., -1])
        if self.transform == "similarity":
            turn, shift = parameters.split((_TURNS[self.dims], self.dims), 1)
            sides = list(reversed(size))
            cells = torch.stack([points[..., axis] * n for axis, n in enumerate(sides)], -1)
            turned = _apply(_rotation(turn), cells)
            turned = torch.stack([turned[..., axis] / n for axis, n in enumerate(sides)], -1)
            return turned + _expand_axes(points, shift)
        return self._spline(parameters.unflatten(1, (-1, self.dims)), points)

    def _spline(self, targets: Tensor, points: Tensor) -> Tensor:
        assert self.solution is not None
        lattice, solution = self.lattice.to(points), self.solution.to(points)
        # A sum and no product of matrices, which autocast would compute in half precision.
        coefficients = (solution.unsqueeze(-1) * targets.unsqueeze(1)).sum(2)
        basis = torch.cat((_bend(points.unsqueeze(-2) - lattice), torch.ones_like(points[..., :1]), points), -1)
        return (basis.unsqueeze(-1) * _expand_axes(basis, coefficients)).sum(-2)


def _expand_axes(points: Tensor, values: Tensor) -> Tensor:
    """(b, ...) values with an axis of size 1 for each position axis of `points` behind the batch."""
    return values.reshape(values.shape[0], *(1,) * (points.ndim - 1), *values.shape[1:])


def _apply(matrix: Tensor, points: Tensor) -> Tensor:
    """(b, *size, d): each point times the matrix (b, d, d) of its image."""
    return (_expand_axes(points, matrix) * points.unsqueeze(-2)).sum(-1)


def _rotation(turn: Tensor) -> Tensor:
    """(b, d, d): the matrix of a factor, a complex number or a quaternion."""
    if turn.shape[1] == 1:
        return turn.unsqueeze(2)
    if turn.shape[1] == 2:
        a, b = turn.unbind(1)
        return torch.stack((a, -b, b, a), 1).unflatten(1, (2, 2))
    w, x, y, z = turn.unbind(1)
    rows = (
        *(w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z),
    )
    return torch.stack(rows, 1).unflatten(1, (3, 3))


def _lattice(dims: int, control: int) -> Tensor:
    """(control ** dims, dims): points from edge to edge, the last axis of the features first."""
    ticks = torch.linspace(-1, 1, control, dtype=torch.float64).tolist()
    return torch.tensor([point[::-1] for point in itertools.product(ticks, repeat=dims)], dtype=torch.float64)


def _bend(difference: Tensor) -> Tensor:
    """The bending of the plate by a point at a distance: r^3, r^2 log r or r in one, two or three axes (Duchon)."""
    squared = difference.square().sum(-1)
    if difference.shape[-1] == 2:
        return squared * squared.clamp_min(torch.finfo(squared.dtype).tiny).log() / 2
    # The root's gradient at 0 is infinite, but no gradient comes this way: points and lattice are constants.
    return squared.sqrt() ** (3 if difference.shape[-1] == 1 else 1)


def _solution(lattice: Tensor) -> Tensor:
    """(points + 1 + d, points): from the targets of the points to the coefficients of the spline through them."""
    points, dims = lattice.shape
    affine = torch.cat((torch.ones(points, 1, dtype=lattice.dtype), lattice), 1)
    system = torch.zeros(points + 1 + dims, points + 1 + dims, dtype=lattice.dtype)
    system[:points, :points] = _bend(lattice[:, None] - lattice)
    system[:points, points:], system[points:, :points] = affine, affine.T
    return torch.linalg.inv(system)[:, :points]
