"""The check of the images that a network is given."""

import pytest
import torch

from regard.core import ShapeError
from regard.models.inputs import expect_images, expect_several_positions


def test_images_of_that_many_channels_pass():
    expect_images("net", 3, torch.zeros(2, 3, 4, 5))


@pytest.mark.parametrize("x", [torch.zeros(3, 4, 5), torch.zeros(2, 1, 4, 5), torch.zeros(2, 3, 4, 5, dtype=torch.int)])
def test_anything_else_is_refused_with_its_shape(x):
    with pytest.raises(ShapeError, match=r"^net: the images have shape \(.*in_channels= the number of their channels"):
        expect_images("net", 3, x)


def test_a_single_image_with_one_position_is_refused():
    expect_several_positions("net", torch.zeros(2, 3, 32, 32), 32)
    expect_several_positions("net", torch.zeros(1, 3, 33, 1), 32)
    with pytest.raises(ShapeError, match=r"^net: a single image of 32x1 .*larger than 32"):
        expect_several_positions("net", torch.zeros(1, 3, 32, 1), 32)
