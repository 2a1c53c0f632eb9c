import copy
import math
import pickle

import numpy as np
import pytest
import torch
from torch.nn import functional

from regard.attention.spatial.stn import STN
from regard.core.errors import OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import affine, convolve, relu


def average(z, cells):
    """The means of a fixed number of cells an axis, flattened as images are."""
    sizes = z.shape[2:]
    y = np.empty((*z.shape[:2], *(cells,) * len(sizes)))
    for index in np.ndindex(*y.shape[2:]):
        window = tuple(slice(i * n // cells, -(-(i + 1) * n // cells)) for i, n in zip(index, sizes, strict=True))
        y[(..., *index)] = z[(..., *window)].reshape(*z.shape[:2], -1).mean(2)
    return y.reshape(len(z), -1)


def localise(x, p, cells):
    """The parameters that the localisation network gives."""
    z = relu(convolve(x, p["conv1.weight"], p["conv1.bias"], padding=1))
    z = relu(convolve(z, p["conv2.weight"], p["conv2.bias"], padding=1))
    hidden = relu(affine(p["look.weight"], average(z, cells), p["look.bias"]))
    return affine(p["place.weight"], hidden, p["place.bias"])


def resample(x, theta, border):
    """Equations 1 and 5 of the paper: each position mapped, and read by the hat functions of all positions."""
    y, sizes, d = np.zeros_like(x), x.shape[2:], x.ndim - 2
    for b in range(len(x)):
        matrix = theta[b].reshape(d, d + 1)
        for index in np.ndindex(*sizes):
            own = [(2 * i + 1) / n - 1 for i, n in zip(index, sizes, strict=True)][::-1]
            target = (matrix @ [*own, 1.0])[::-1]
            centre = [((t + 1) * n - 1) / 2 for t, n in zip(target, sizes, strict=True)]
            if border:
                centre = [min(max(u, 0), n - 1) for u, n in zip(centre, sizes, strict=True)]
            for other in np.ndindex(*sizes):
                share = math.prod(max(0, 1 - abs(u - i)) for u, i in zip(centre, other, strict=True))
                y[(b, slice(None), *index)] += share * x[(b, slice(None), *other)]
    return y


def calm(module):
    """Drawn, with an affine map that stays near the features, so that positions are met."""
    drawn(module)
    with torch.no_grad():
        module.place.weight.mul_(0.01)
        module.place.bias.mul_(0.3).add_(0.7 * module.warp.neutral.double())
    return module


@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (1, 3, 1, 1), (2, 3, 1, 6), (2, 3, 7), (1, 2, 2, 4, 3)])
@pytest.mark.parametrize("padding", ["zeros", "border"])
def test_it_is_the_papers_formula(shape, padding):
    module = calm(STN(shape[1], hidden=4, cells=2, padding=padding, dims=len(shape) - 2))
    x = features(*shape)
    theta = localise(x.numpy(), arrays(module), 2)
    assert_equal(module(x), resample(x.numpy(), theta, padding == "border"), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("size", [(7, 5), (3, 4, 5)])
@pytest.mark.parametrize("padding", ["zeros", "border"])
def test_torch_agrees_with_its_gradients(size, padding):
    module, results = calm(STN(3, padding=padding, dims=len(size))), []
    theta = module._localise(features(2, 3, *size)).detach()

    def theirs(x):
        theta = module._localise(x).unflatten(1, (len(size), len(size) + 1))
        grid = functional.affine_grid(theta, x.shape, align_corners=False)
        return functional.grid_sample(x, grid, "bilinear", padding, align_corners=False)

    for net in (module, theirs):
        x = features(2, 3, *size).requires_grad_()
        y = net(x)
        y.square().sum().backward()
        results.append((y.detach(), x.grad, module.place.weight.grad.clone()))
        module.zero_grad()
    for ours, want in zip(*results, strict=True):
        torch.testing.assert_close(ours, want, rtol=1e-10, atol=1e-11)
    assert not torch.equal(theta, torch.zeros_like(theta))


def fix_output(module, parameters):
    """The module with those parameters for every image."""
    module.double()
    with torch.no_grad():
        module.place.weight.zero_()
        module.place.bias.copy_(torch.tensor(parameters, dtype=torch.float64))
    return module


def test_a_shift_by_one_position_shifts_the_image():
    x = features(2, 3, 4, 5)
    y = fix_output(STN(3, transform="translation"), [2 / 5, -2 / 4])(x)
    # Each position reads its right neighbour above: the image moves left and down.
    torch.testing.assert_close(y[..., 1:, :-1], x[..., :-1, 1:])
    assert y[..., 0, :].abs().max() < 1e-12
    assert y[..., -1].abs().max() < 1e-12
    edge = fix_output(STN(3, transform="translation", padding="border"), [2 / 5, 0.0])(x)
    torch.testing.assert_close(edge[..., -1], x[..., -1])


def test_a_right_angle_turns_a_square_image():
    x = features(2, 3, 5, 5)
    turned = fix_output(STN(3, transform="similarity"), [0.0, 1.0, 0.0, 0.0])(x)
    torch.testing.assert_close(turned, torch.rot90(x, 1, (2, 3)))
    half = fix_output(STN(3, transform="similarity"), [-1.0, 0.0, 0.0, 0.0])(features(2, 3, 4, 6))
    torch.testing.assert_close(half, features(2, 3, 4, 6).flip(2, 3))


def test_a_quaternion_turns_a_cube():
    x, half = features(1, 2, 3, 3, 3), math.sqrt(0.5)
    # A right angle about the last coordinate, the first axis of the features.
    y = fix_output(STN(2, transform="similarity", dims=3), [half, 0.0, 0.0, half, 0.0, 0.0, 0.0])(x)
    torch.testing.assert_close(y, torch.rot90(x, 1, (3, 4)))


def test_a_spline_reproduces_an_affine_map():
    x, theta = features(2, 3, 6, 5), torch.tensor([[0.9, 0.2, 0.1], [-0.3, 0.8, 0.05]], dtype=torch.float64)
    spline = STN(3, transform="thin_plate", control=3)
    targets = spline.warp.lattice @ theta[:, :2].T + theta[:, 2]
    y = fix_output(spline, targets.flatten().tolist())(x)
    torch.testing.assert_close(y, fix_output(STN(3), theta.flatten().tolist())(x), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("transform", ["affine", "translation", "similarity", "thin_plate"])
@pytest.mark.parametrize("size", [(5,), (5, 4), (1, 7), (3, 4, 2)])
def test_it_starts_as_the_identity(transform, size):
    x = features(2, 3, *size).float()
    module = STN(3, transform=transform, dims=len(size))
    torch.testing.assert_close(module(x), x, rtol=1e-5, atol=1e-5)
    assert not module.place.weight.any()
    identity = STN(3, transform=transform, dims=len(size), start="identity")
    assert identity.place.weight.any()
    assert torch.equal(identity(x), x)


def test_at_strength_one_it_is_the_paper():
    module = calm(STN(3, start="identity"))
    plain = STN(3).double()
    plain.load_state_dict({name: values for name, values in module.state_dict().items() if name != "strength"})
    with torch.no_grad():
        module.strength.fill_(1)
    x = features(2, 3, 6, 5)
    torch.testing.assert_close(module(x), plain(x), rtol=1e-10, atol=1e-10)


def test_the_grid_is_the_map():
    module, x, seen = calm(STN(3)), features(2, 3, 6, 5), []
    module.grid.sink = seen.append
    module(x)
    assert seen[0].shape == (2, 6, 5, 2)
    module.grid.replace = module.grid.nothing
    torch.testing.assert_close(module(x), x)


def test_training_finds_an_image_in_the_corner():
    """One bright spot off the centre; the target is the spot in the middle."""
    torch.manual_seed(0)
    centres = torch.linspace(-1, 1, 12)
    shift = 0.6 * torch.rand(32, 2) - 0.3
    spots = torch.exp(
        -8 * (centres[None, :, None] - shift[:, 1, None, None]) ** 2
        - 8 * (centres[None, None] - shift[:, 0, None, None]) ** 2
    )
    middle = torch.exp(-8 * (centres[:, None] ** 2 + centres[None] ** 2)).expand(32, 12, 12)
    module = STN(1, transform="translation", hidden=8)
    optimiser = torch.optim.Adam(module.parameters(), 0.01)
    losses = []
    for _ in range(120):
        loss = functional.mse_loss(module(spots.unsqueeze(1)).squeeze(1), middle)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 5


def test_counts_and_order():
    # Two 3x3 convolutions, sixteen cells of 32 channels to 32 units, and six numbers.
    assert count(STN(64)) == 9 * 64 * 32 + 32 + 9 * 32 * 32 + 32 + 512 * 32 + 32 + 32 * 6 + 6
    layers = dict.fromkeys(name.rpartition(".")[0] for name in names(STN(4)))
    assert list(layers) == ["conv1", "conv2", "look", "place"]
    assert [STN(4, transform=t).place.out_features for t in ("translation", "similarity", "thin_plate")] == [2, 4, 32]
    assert [STN(4, transform="similarity", dims=d).place.out_features for d in (1, 2, 3)] == [2, 4, 7]


def test_a_spline_survives_copies_and_half_precision():
    module, x = calm(STN(3, transform="thin_plate", dims=1)), features(2, 3, 8)
    want = module(x)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(other(x), want)
    assert module.half().warp.solution.dtype == torch.float64


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"transform": "projective"}, "stn: transform='projective' is not allowed; choose one of 'affine'"),
        ({"hidden": 0}, "stn: hidden=0 is not allowed"),
        ({"cells": 0}, "stn: cells=0 is not allowed"),
        ({"control": 1}, "stn: control=1 is not allowed; it must be an integer of at least 2"),
        ({"padding": "reflection"}, "stn: padding='reflection' is not allowed; choose one of 'zeros', 'border'"),
        ({"dims": 4}, "stn: dims=4 is not allowed"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        STN(8, **options)
