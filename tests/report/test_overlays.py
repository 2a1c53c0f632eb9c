import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.transform import resize

from regard.core import ShapeError
from regard.report import overlay
from regard.report.overlays import colours, enlarge, png, spread


def test_the_weights_are_resized_as_skimage_does():
    weights = torch.rand(7, 5)
    laid = overlay(torch.zeros(3, 56, 40), weights)
    expected = resize(weights.numpy(), (56, 40), order=1, mode="edge", anti_aliasing=False)
    np.testing.assert_allclose(laid.weights, expected, atol=1e-5)
    assert (laid.smallest, laid.largest) == (weights.min().item(), weights.max().item())


def test_small_images_are_enlarged_by_repeating_pixels():
    image = torch.arange(12, dtype=torch.uint8).reshape(1, 3, 4)
    pixels = enlarge(image, 10)
    assert pixels.shape == (9, 12, 3)
    assert (pixels[::3, ::3, 0] == image[0].numpy()).all()
    assert (pixels[2, 5] == image[0, 0, 1].item()).all()


def test_a_large_image_keeps_its_size():
    assert overlay(torch.rand(3, 300, 260), torch.rand(4, 4)).pixels.shape == (300, 260, 3)


def test_largest_weight_is_brightest():
    weights = torch.zeros(4, 4)
    weights[1, 2] = 1
    lightness = overlay(torch.zeros(1, 64, 64), weights, side=64).pixels.sum(2)
    row, column = np.unravel_index(lightness.argmax(), lightness.shape)
    assert (row // 16, column // 16) == (1, 2)


def test_opacity_blends_grey_image_and_map():
    image, weights = torch.rand(3, 8, 8), torch.rand(8, 8)
    plain = overlay(image, weights, opacity=0, side=8).pixels
    expected = np.asarray(Image.fromarray(enlarge(image, 8)).convert("L"))
    assert np.abs(plain.astype(int) - expected[..., None]).max() <= 1
    full = overlay(image, weights, opacity=1, side=8)
    assert (full.pixels == colours(weights.numpy(), full.low, full.high)).all()


def test_a_stated_range_makes_images_comparable():
    half, whole = (overlay(torch.zeros(1, 8, 8), torch.full((2, 2), v), low=0.0, high=1.0) for v in (0.5, 1.0))
    assert (half.low, half.high) == (0.0, 1.0)
    assert half.pixels[0, 0].tolist() != whole.pixels[0, 0].tolist()
    beyond = overlay(torch.zeros(1, 8, 8), torch.full((2, 2), 3.0), low=0.0, high=1.0)
    assert (beyond.pixels == whole.pixels).all()
    assert beyond.largest == 3.0


def test_constant_map_has_the_middle_colour():
    laid = overlay(torch.zeros(1, 8, 8), torch.full((2, 2), 0.5))
    assert laid.caption == "0.50"
    assert (laid.pixels == laid.pixels[0, 0]).all()


def test_wide_range_needs_no_nan():
    assert spread(-1.25, 300.0) == "-1.25 to 300.00"


def test_the_png_holds_the_pixels():
    laid = overlay(torch.rand(1, 28, 28), torch.rand(7, 7))
    assert (np.asarray(Image.open(io.BytesIO(laid.png()))) == laid.pixels).all()
    assert laid.png() == png(laid.pixels)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (8, 8), (4, 8, 8), (1, 0, 8)])
def test_a_batch_or_another_shape_is_refused(shape):
    with pytest.raises(ShapeError, match="one image"):
        overlay(torch.zeros(*shape), torch.rand(2, 2))


def test_map_of_a_batch_is_refused():
    with pytest.raises(ShapeError, match=r"weights have shape \(1, 2, 2\)"):
        overlay(torch.zeros(1, 8, 8), torch.rand(1, 2, 2))


def test_the_room_is_imported_without_matplotlib():
    code = "import sys, regard.explanation; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
