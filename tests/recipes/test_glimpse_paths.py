import numpy as np
import pytest
import torch
from PIL import Image

from regard import explain, models
from regard.explanation import look
from regard.recipes.glimpse_paths import path_of


def made(net, images, classes=()):
    return path_of(net, look(net, images), images, None, classes)


def test_the_path_is_that_of_the_network():
    net = models.create("ram:glimpses=4,patch=5,scales=2", num_classes=3, in_channels=1, seed=0).eval()
    images = torch.rand(2, 1, 20, 30)
    path = made(net, images, "abc")
    with torch.no_grad():
        answer = net(images)
    want = torch.stack([sample.value for sample in answer.samples], 1)[0]
    assert torch.equal(torch.from_numpy(path.positions[1:]), want)
    assert path.sides == (5.0, 10.0)
    assert path.seen.shape == (4, 2, 5, 5, 3)
    torch.testing.assert_close(torch.from_numpy(path.probabilities), answer.looks[0].softmax(1))
    assert path.classes == ("a", "b", "c")


def test_the_first_patch_is_the_images_middle():
    net = models.create("ram:glimpses=1,patch=4", num_classes=3, in_channels=3, seed=0).eval()
    images = torch.rand(1, 3, 8, 8)
    seen = made(net, images).seen[0, 0]
    middle = images[0, :, 2:6, 2:6].permute(1, 2, 0)
    stretched = ((middle - middle.min()) / (middle.max() - middle.min()) * 255).round()
    assert torch.equal(torch.from_numpy(seen).float(), stretched)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_with_alpha_has_a_path(channels):
    """Transparent pixels have no colour of their own: the glimpses are those over the opaque image."""
    net = models.create("ram:glimpses=3,patch=4", num_classes=3, in_channels=channels, seed=0).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    opaque, alpha = Image.fromarray(pixels[..., :3]), Image.fromarray(pixels)
    found, expected = (explain(net, image).glimpses for image in (alpha, opaque))
    assert np.array_equal(found.positions, expected.positions)
    assert np.array_equal(found.seen, expected.seen)
    pixels[..., 3] = 0
    black, white = (explain(net, Image.fromarray(pixels)).glimpses for pixels in (pixels, pixels // 2))
    assert np.array_equal(black.seen, white.seen)


def test_other_networks_have_no_path():
    net = models.create("se_resnet8", num_classes=3, in_channels=1, seed=0).eval()
    assert made(net, torch.rand(1, 1, 16, 16)) is None
