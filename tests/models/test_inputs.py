"""The check of the images that a network is given."""

import pytest
import torch

from regard.core import ShapeError
from regard.models.inputs import expect_images


def test_images_of_that_many_channels_pass():
    expect_images("net", 3, torch.zeros(2, 3, 4, 5))


@pytest.mark.parametrize("x", [torch.zeros(3, 4, 5), torch.zeros(2, 1, 4, 5), torch.zeros(2, 3, 4, 5, dtype=torch.int)])
def test_anything_else_is_refused_with_its_shape(x):
    with pytest.raises(ShapeError, match=r"^net: the images have shape \(.*in_channels= the number of their channels"):
        expect_images("net", 3, x)
