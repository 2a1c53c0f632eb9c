import math

import pytest
import torch
from torch.nn import functional

from regard.attention.warps import TRANSFORMS, Warp
from regard.core.tap import identity_grid
from tests.attention.drawn import features

SIZES = {1: (5,), 2: (4, 7), 3: (3, 4, 2)}


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_the_neutral_parameters_give_the_identity(transform, dims):
    warp = Warp(transform, dims, 3)
    grid = warp.grid(warp.neutral.double().expand(2, -1), SIZES[dims])
    want = identity_grid(SIZES[dims], grid).expand(2, *SIZES[dims], dims)
    torch.testing.assert_close(grid, want, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("size", [(4, 7), (3, 4, 2)])
def test_an_affine_map_is_that_of_affine_grid(size):
    dims = len(size)
    theta = features(2, dims, dims + 1)
    want = functional.affine_grid(theta, [2, 1, *size], align_corners=False)
    torch.testing.assert_close(Warp("affine", dims, 4).grid(theta.flatten(1), size), want, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("control", [2, 4])
def test_affine_targets_give_the_affine_map(dims, control):
    spline, affine = Warp("thin_plate", dims, control), Warp("affine", dims, control)
    theta = features(2, dims, dims + 1)
    targets = spline.lattice @ theta[..., :-1].mT + theta[..., None, :, -1]
    want = affine.grid(theta.flatten(1), SIZES[dims])
    torch.testing.assert_close(spline.grid(targets.flatten(1), SIZES[dims]), want, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_spline_meets_its_targets(dims):
    # A lattice of three an axis lies on the centres of three positions when it is shrunk by 2/3.
    spline = Warp("thin_plate", dims, 3)
    targets = features(1, 3**dims, dims)
    outer = Warp("thin_plate", dims, 3)
    outer.lattice = spline.lattice * 2 / 3
    outer.solution = _solve(outer.lattice)
    grid = outer.grid(targets.flatten(1), (3,) * dims)
    torch.testing.assert_close(grid.reshape(1, -1, dims), targets, rtol=1e-9, atol=1e-9)


def _solve(lattice):
    """The spline's linear system, written from Bookstein's and Duchon's formulas."""
    points, dims = lattice.shape
    system = torch.zeros(points + dims + 1, points + dims + 1, dtype=lattice.dtype)
    for i in range(points):
        for j in range(points):
            r = math.dist(lattice[i].tolist(), lattice[j].tolist())
            system[i, j] = {1: r**3, 2: r * r * math.log(r) if r else 0.0, 3: r}[dims]
        system[i, points:] = system[points:, i] = torch.cat((torch.ones(1, dtype=lattice.dtype), lattice[i]))
    identity = torch.eye(points + dims + 1, points, dtype=lattice.dtype)
    return torch.linalg.solve(system, identity)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_spline_solves_its_linear_system(dims):
    spline = Warp("thin_plate", dims, 3)
    torch.testing.assert_close(spline.solution, _solve(spline.lattice), rtol=1e-9, atol=1e-10)


def test_a_similarity_keeps_shapes_in_non_square_images():
    size, turn = (4, 8), torch.tensor([[2 * math.cos(0.3), 2 * math.sin(0.3), 0.0, 0.0]], dtype=torch.float64)
    grid = Warp("similarity", 2, 4).grid(turn, size)[0]
    cells = grid * torch.tensor([8.0, 4.0], dtype=torch.float64) / 2
    across, down = cells[0, 1] - cells[0, 0], cells[1, 0] - cells[0, 0]
    # Neighbours lie two cells apart in both directions, at a right angle.
    assert across.norm().item() == pytest.approx(2)
    assert down.norm().item() == pytest.approx(2)
    assert (across @ down).item() == pytest.approx(0, abs=1e-12)


def test_a_quaternion_scales_and_rotates():
    half = 0.25
    turn = torch.tensor([[math.cos(half), 0.0, 0.0, math.sin(half)]], dtype=torch.float64) * math.sqrt(3)
    grid = Warp("similarity", 3, 4).grid(torch.cat((turn, torch.zeros(1, 3)), 1), (2, 2, 2))[0]
    angle = 2 * half
    matrix = 3 * torch.tensor(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]], dtype=torch.float64
    )
    torch.testing.assert_close(grid, identity_grid((2, 2, 2), grid) @ matrix.T, rtol=1e-11, atol=1e-12)
