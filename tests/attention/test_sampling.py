import pytest
import torch
from torch.nn import functional

from regard.attention.sampling import sample
from regard.core.tap import identity_grid
from tests.attention.drawn import features


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (1, 6), (4, 3, 5), (1, 2, 1)])
@pytest.mark.parametrize("padding", ["zeros", "border"])
def test_it_is_grid_sample_with_its_gradients(size, padding):
    x, grid = features(2, 3, *size), 1.5 * features(2, *size, len(size), seed=2)
    upstream, results = features(2, 3, *size, seed=3), []
    for sampled in (
        lambda x, grid: sample(x, grid, border=padding == "border"),
        lambda x, grid: functional.grid_sample(x, grid, "bilinear", padding, align_corners=False),
    ):
        given = x.clone().requires_grad_(), grid.clone().requires_grad_()
        y = sampled(*given)
        y.backward(upstream)
        results.append((y.detach(), given[0].grad, given[1].grad))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("padding", ["zeros", "border"])
def test_one_axis_agrees_with_grid_sample(padding):
    x, points = features(2, 3, 6), 1.2 * features(2, 9, 1, seed=2)
    row = torch.cat((points, torch.zeros_like(points)), 2).unsqueeze(1)
    want = functional.grid_sample(x.unsqueeze(2), row, "bilinear", padding, align_corners=False).squeeze(2)
    torch.testing.assert_close(sample(x, points, border=padding == "border"), want, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("size", [(5,), (5, 4), (3, 4, 2)])
def test_its_own_places_give_x(size):
    x = features(2, 3, *size)
    grid = identity_grid(size, x).expand(2, *size, len(size))
    torch.testing.assert_close(sample(x, grid), x, rtol=1e-11, atol=1e-12)


def test_places_far_away_are_nothing_or_the_edge():
    x, far = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[-1e9], [1e9], [torch.inf]]])
    assert sample(x, far).tolist() == [[[0.0, 0.0, 0.0]]]
    assert sample(x, far, border=True).tolist() == [[[1.0, 2.0, 2.0]]]


def test_half_features_are_mixed_in_float32():
    assert sample(torch.ones(1, 1, 3).half(), torch.zeros(1, 2, 1)).dtype == torch.float32
