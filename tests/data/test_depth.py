"""Images with more than 8 bits: one range for a source, chosen on its training images, and kept."""

import numpy as np
import pytest
import torch
from PIL import Image

from regard.core.errors import OptionError
from regard.data import BadImageError, open_source, read_image
from regard.data.depth import (
    SIXTEEN_BITS,
    choose_range,
    count_levels,
    measure,
    parse_range,
    scale,
    scaled_moments,
)

HEIGHT, WIDTH = 24, 20


@pytest.fixture
def sensor(tmp_path):
    """Writes 20 images of each of two classes, gratings of one direction each, made of values by `made`."""

    def write(made, suffix="png"):
        rng = np.random.default_rng(0)
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        for label, axis in (("down", y), ("right", x)):
            (tmp_path / "set" / label).mkdir(parents=True)
            for i in range(20):
                wave = np.sin(axis + rng.uniform(0, 6)) + 0.1 * rng.standard_normal((HEIGHT, WIDTH))
                Image.fromarray(made(wave)).save(tmp_path / "set" / label / f"{i}.{suffix}")
        return f"folder:{tmp_path / 'set'}"

    return write


def narrow(wave):
    return (1027 + 70 * wave).astype(np.uint16)


def test_a_narrow_range_keeps_its_levels(sensor):
    source = open_source(sensor(narrow))
    low, high = source.value_range
    assert 900 < low < 960 < 1090 < high < 1160
    for images in source.splits.values():
        assert len(images.read(0).unique()) > 100
    assert source.warnings == ()
    assert abs(source.splits["train"].statistics().mean[0] - 0.5) < 0.1


def test_the_range_is_that_of_training_images(tmp_path):
    for split, value in (("train", 1000), ("val", 5000), ("test", 10)):
        for label in "ab":
            (tmp_path / split / label).mkdir(parents=True)
            for i in range(12):
                image = np.full((4, 4), value + i, np.uint16)
                image[0, 0] = 1000 if split == "train" else value
                image[0, 1] = 1200 if split == "train" else value
                image[1] = 3 * i + (label == "b") + image[0, 0]
                Image.fromarray(image).save(tmp_path / split / label / f"{i}.png")
    source = open_source(f"folder:{tmp_path}")
    assert source.value_range == (1000, 1200)
    assert source.splits["val"].read(0).min() == 255
    assert source.splits["test"].read(0).max() == 0


def test_full_16_bit_values_keep_their_scaling(sensor):
    source = open_source(sensor(lambda wave: (32000 + 20000 * wave).astype(np.uint16)))
    assert source.value_range == SIXTEEN_BITS
    train = source.splits["train"]
    assert torch.equal(train.read(3), read_image(train.root / train.files[3], 1))


@pytest.mark.parametrize(
    ("made", "suffix"),
    [
        (lambda wave: (-200 + 700 * wave).astype(np.int32), "tif"),
        (lambda wave: (200_000 + 90_000 * wave).astype(np.int32), "tif"),
        (lambda wave: (0.2 * wave).astype(np.float32), "tif"),
    ],
)
def test_signed_wide_and_floating_values_are_read(sensor, made, suffix):
    source = open_source(sensor(made, suffix))
    assert source.account.bad == ()
    assert len(source.splits["train"].read(0).unique()) > 100
    statistics = source.splits["train"].statistics()
    seen = torch.stack([source.splits["train"].read(i) for i in range(len(source.splits["train"]))]).double() / 255
    assert abs(statistics.mean[0] - seen.mean()) < 2e-3
    assert abs(statistics.std[0] - seen.std()) < 2e-3


def test_unsigned_32_bits_are_not_taken_for_negative(tmp_path):
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 2_000_000_000, 4_000_000_000]], np.uint32))
    read = read_image(tmp_path / "a.tif", 1, value_range=(0, 4e9))
    assert read.tolist() == [[[0, 128, 255]]]


def test_values_that_are_not_finite_are_refused(tmp_path):
    Image.fromarray(np.array([[0.0, np.nan]], np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(BadImageError, match="not all finite"):
        read_image(tmp_path / "a.tif", value_range=(0, 1))


def test_range_can_be_fixed_with_few_levels_warned(sensor):
    text = sensor(narrow)
    fixed = open_source(text, value_range="0:4095")
    assert fixed.value_range == (0, 4095)
    (said,) = open_source(text, value_range="0:65535").warnings
    assert said.startswith("Of 256 grey levels a typical image has 1 or fewer")
    assert "--value-range LOW:HIGH" in said


def test_images_with_8_bits_have_no_range(plant):
    for label in ("a", "b"):
        root = plant(label, 12)
    assert open_source(f"folder:{root}").value_range is None


@pytest.mark.parametrize("text", ["", "5", "3:1", "a:b", "0:inf", "1:1", "1:2:3"])
def test_ranges_that_are_none_are_refused(text):
    with pytest.raises(OptionError, match="it must be LOW:HIGH"):
        parse_range(text)


def test_moments_follow_the_scale():
    values = np.random.default_rng(0).integers(1000, 1500, (30, 40)).astype(np.uint16)
    deep = measure(values, sixteen=True)
    assert choose_range([deep]) == (values.min(), values.max())
    mean, square = scaled_moments(deep, (900, 1600))
    exact = (values.astype(float) - 900) / 700
    np.testing.assert_allclose((mean, square), (exact.mean(), (exact**2).mean()), rtol=1e-12)
    assert count_levels([deep], (900, 1600)) == 1 + int(255 * (deep.high - deep.low) / 700)
    np.testing.assert_allclose(scale(values, (900, 1600)), 255 * exact, atol=0.5 + 1e-9)
