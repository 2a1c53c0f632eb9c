"""Pictures in files: decoded when they are needed."""

import numpy as np
import pytest
import torch
from PIL import Image

from regard.data import BadPictureError
from regard.data.checking import check_pictures
from regard.data.files import FilePictures
from regard.data.reading import PIXEL_LIMIT


@pytest.fixture
def pictures(tmp_path, noise):
    names = [f"{i}.png" for i in range(6)]
    for i, name in enumerate(names):
        Image.fromarray(noise(i, 4 + i, 7)).save(tmp_path / name)
    checked = check_pictures(tmp_path, names, max_pixels=PIXEL_LIMIT)
    return FilePictures(tmp_path, names, torch.arange(6) % 2, checked)


def test_read_gather_sizes_and_names(pictures, noise):
    assert len(pictures) == 6
    for i in range(6):
        np.testing.assert_array_equal(pictures.read(i).permute(1, 2, 0), noise(i, 4 + i, 7))
    assert [p.shape for p in pictures.gather([5, 0])] == [(3, 9, 7), (3, 4, 7)]
    assert pictures.sizes().tolist() == [[4 + i, 7] for i in range(6)]
    assert pictures.names(3) == "3.png"


def test_every_picture_counts_the_same_in_the_statistics(pictures, noise):
    values = [noise(i, 4 + i, 7).reshape(-1, 3) / 255 for i in range(6)]
    mean = np.mean([v.mean(0) for v in values], 0)
    square = np.mean([(v**2).mean(0) for v in values], 0)
    found = pictures.statistics()
    np.testing.assert_allclose(found.mean, mean, atol=1e-6)
    np.testing.assert_allclose(found.std, np.sqrt(square - mean**2), atol=1e-6)


def test_take_keeps_everything_together(pictures):
    part = pictures.take(torch.tensor([4, 1]))
    assert [part.names(i) for i in range(2)] == ["4.png", "1.png"]
    assert part.labels.tolist() == [0, 1]
    assert torch.equal(part.read(0), pictures.read(4))
    assert part.contents() == (pictures.contents()[4], pictures.contents()[1])


def test_a_file_that_broke_after_it_was_checked_is_named(pictures, tmp_path):
    (tmp_path / "2.png").write_bytes(b"")
    with pytest.raises(BadPictureError, match=r"2\.png cannot be used"):
        pictures.read(2)
