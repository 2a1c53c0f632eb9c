"""Images in files: decoded when they are needed."""

import numpy as np
import pytest
import torch
from PIL import Image

from regard.data import BadImageError
from regard.data.checking import check_images
from regard.data.files import FileImages
from regard.data.reading import PIXEL_LIMIT


@pytest.fixture
def images(tmp_path, noise):
    names = [f"{i}.png" for i in range(6)]
    for i, name in enumerate(names):
        Image.fromarray(noise(i, 4 + i, 7)).save(tmp_path / name)
    checked = check_images(tmp_path, names, max_pixels=PIXEL_LIMIT)
    return FileImages(tmp_path, names, torch.arange(6) % 2, checked)


def test_read_gather_sizes_and_names(images, noise):
    assert len(images) == 6
    for i in range(6):
        np.testing.assert_array_equal(images.read(i).permute(1, 2, 0), noise(i, 4 + i, 7))
    assert [p.shape for p in images.gather([5, 0])] == [(3, 9, 7), (3, 4, 7)]
    assert images.sizes().tolist() == [[4 + i, 7] for i in range(6)]
    assert images.names(3) == "3.png"


def test_every_image_counts_the_same_in_the_statistics(images, noise):
    values = [noise(i, 4 + i, 7).reshape(-1, 3) / 255 for i in range(6)]
    mean = np.mean([v.mean(0) for v in values], 0)
    square = np.mean([(v**2).mean(0) for v in values], 0)
    found = images.statistics()
    np.testing.assert_allclose(found.mean, mean, atol=1e-6)
    np.testing.assert_allclose(found.std, np.sqrt(square - mean**2), atol=1e-6)


def test_take_keeps_everything_together(images):
    part = images.take(torch.tensor([4, 1]))
    assert [part.names(i) for i in range(2)] == ["4.png", "1.png"]
    assert part.labels.tolist() == [0, 1]
    assert torch.equal(part.read(0), images.read(4))
    assert part.contents() == (images.contents()[4], images.contents()[1])


def test_file_broken_after_check_is_named(images, tmp_path):
    (tmp_path / "2.png").write_bytes(b"")
    with pytest.raises(BadImageError, match=r"2\.png cannot be used"):
        images.read(2)
