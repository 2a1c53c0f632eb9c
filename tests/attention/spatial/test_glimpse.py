import pytest
import torch
from torch.nn import functional

from regard.attention.spatial.glimpse import Glimpse
from regard.core import OptionError, ShapeError
from regard.testing import check_attention
from tests.attention.drawn import features


def by_cells(x, position, size, side, bilinear=False):
    """Each cell of a patch as the mean of what lies under it, pixel by pixel, of one image (c, h, w)."""
    c, h, w = x.shape
    starts = []
    for n, at in ((h, position[1]), (w, position[0])):
        start = (at + 1) * n / 2 - side / 2
        starts.append(start if bilinear else (start + 0.5) // 1)
    cell, y = side / size, x.new_zeros(c, size, size)
    for i in range(size):
        for j in range(size):
            top, left = starts[0] + i * cell, starts[1] + j * cell
            for row in range(h):
                for column in range(w):
                    down = min(top + cell, row + 1) - max(top, row)
                    across = min(left + cell, column + 1) - max(left, column)
                    if down > 0 and across > 0:
                        y[:, i, j] += x[:, row, column] * down * across / cell**2
    return y


@pytest.mark.parametrize("bilinear", [False, True])
@pytest.mark.parametrize(("size", "scale"), [(3, 2.0), (2, 1.5), (1, 3.0)])
def test_cells_are_means_of_the_pixels_they_cover(size, scale, bilinear):
    x = features(4, 2, 5, 6)
    position = torch.tensor([[0.0, 0.0], [-0.93, 0.31], [1.0, -1.0], [1.7, 0.2]], dtype=torch.float64)
    y = Glimpse(2, size=size, scales=2, scale=scale, bilinear=bilinear)(x, position)
    for image, at, got in zip(x, position.tolist(), y, strict=True):
        want = [by_cells(image, at, size, size * scale**i, bilinear) for i in range(2)]
        torch.testing.assert_close(got, torch.cat(want))


def test_a_whole_scale_is_average_pooling():
    x = features(2, 3, 12, 12)
    y = Glimpse(3, size=3, scales=3)(x)
    for i, side in enumerate((3, 6, 12)):
        edge = (12 - side) // 2 + (side == 3)
        crop = x[..., edge : edge + side, edge : edge + side]
        torch.testing.assert_close(y[:, 3 * i : 3 * i + 3], functional.avg_pool2d(crop, side // 3))


def test_the_middle_is_the_middle_of_any_shape():
    x = torch.zeros(1, 1, 9, 5)
    x[..., 4, 2] = 1
    assert Glimpse(1, size=3)(x)[0, 0].tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_a_patch_larger_than_the_image_is_padded():
    x = torch.ones(1, 1, 2, 3)
    y = Glimpse(1, size=7)(x)
    assert y.sum() == 6
    assert Glimpse(1, size=4, scales=3)(x)[:, 2].sum() == pytest.approx(6 / 16)


def test_far_positions_see_nothing():
    x = torch.ones(2, 1, 8, 8)
    far = torch.tensor([[1e30, 0.0], [0.0, -torch.inf]])
    assert not Glimpse(1, size=3)(x, far[:1].expand(2, 2)).any()
    assert not Glimpse(1, size=3, scales=2)(x[:1], far[:1]).any()


def test_a_nan_position_is_never_silent():
    position = torch.tensor([[0.0, 0.0], [torch.nan, 0.0]])
    y = Glimpse(1, size=3)(torch.ones(2, 1, 8, 8), position)
    assert y[0].isfinite().all()
    assert y[1].isnan().all()


def test_a_pixel_outside_the_patch_changes_nothing():
    x = torch.ones(1, 1, 9, 9)
    x[..., 0, 0] = torch.nan
    assert Glimpse(1, size=3)(x).isfinite().all()
    assert Glimpse(1, size=3)(x, torch.tensor([[-1.0, -1.0]])).isnan().any()


@pytest.mark.parametrize("size", [(7,), (6, 5), (4, 3, 5)])
def test_it_is_differentiable_in_image_and_position(size):
    module = Glimpse(2, size=2, scales=2, scale=1.5, bilinear=True)
    x = features(2, 2, *size).requires_grad_()
    # Between pixels: at a pixel's edge the interpolation has a corner.
    position = (torch.rand(2, len(size), dtype=torch.float64) * 0.9 - 0.4317).requires_grad_()
    torch.autograd.gradcheck(module, (x, position), fast_mode=True)
    cropped = Glimpse(2, size=2)(x, position)
    assert torch.autograd.grad(cropped.sum(), position, allow_unused=True) == (None,)


def test_images_of_a_batch_do_not_meet():
    module, x = Glimpse(2, size=3, scales=2), torch.randn(5, 2, 8, 6)
    position = 2 * torch.rand(5, 2) - 1
    alone = torch.cat([module(x[i : i + 1], position[i : i + 1]) for i in range(5)])
    assert torch.equal(module(x, position), alone)


def test_the_position_passes_the_tap():
    module, seen = Glimpse(1, size=3), []
    module.place.sink = seen.append
    x, position = torch.randn(2, 1, 8, 8), torch.tensor([[0.5, -0.5], [0.0, 0.25]])
    module(x, position)
    assert torch.equal(seen[0], position.unsqueeze(1))
    module.place.replace = module.place.nothing
    assert torch.equal(module(x, position), module(x))


def test_it_keeps_the_promises():
    check_attention(Glimpse, checks=("shapes", "batch_of_one", "channels_last", "dtypes", "autocast", "finiteness"))
    check_attention(Glimpse, checks=("deepcopy", "pickle", "batch_independence", "determinism", "taps", "wrong_input"))


@pytest.mark.graph
def test_it_compiles():
    check_attention(Glimpse, checks="compile", dims=(2,))


@pytest.mark.long
def test_it_is_exported_and_heeds_its_taps():
    check_attention(Glimpse, checks=("compile", "onnx", "taps_compiled"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"size": 0}, "glimpse: size=0 is not allowed"),
        ({"scales": 0}, "glimpse: scales=0 is not allowed"),
        ({"scale": 0.5}, "glimpse: scale=0.5 is not allowed; it must be a number of at least 1"),
        ({"bilinear": "yes"}, "glimpse: bilinear='yes' is not allowed"),
    ],
)
def test_a_wrong_option_is_refused(options, says):
    with pytest.raises(OptionError, match=says):
        Glimpse(3, **options)


@pytest.mark.parametrize("position", [torch.zeros(2, 3), torch.zeros(1, 2), torch.zeros(2, 2).long()])
def test_a_wrong_position_is_refused(position):
    with pytest.raises(ShapeError, match=r"it must be floating point \(2, 2\), one position for each image"):
        Glimpse(1)(torch.zeros(2, 1, 8, 8), position)
