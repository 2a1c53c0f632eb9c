"""Preprocessing: sizes, values, the way into a file and back."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from regard.core.errors import DataError, OptionError
from regard.data import Preprocessing, open_source, preprocessing_for, unlike_warnings

GREY = Preprocessing(size=(28, 28), channels=1, mean=(0.25,), std=(0.5,))
RGB = Preprocessing(size=(64, 64), channels=3, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4), resize="crop")


def image(*shape, seed=0):
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


def test_values_have_zero_mean_and_unit_std():
    x = image(3, 64, 64)
    found = Preprocessing(size=(64, 64), channels=3, mean=RGB.mean, std=RGB.std).eval()(x)
    expected = (x.numpy() / 255 - np.array(RGB.mean)[:, None, None]) / np.array(RGB.std)[:, None, None]
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_photograph_is_resized_and_centre_cropped():
    x = image(3, 150, 200)
    expected = v2.Compose([v2.Resize(73, antialias=True), v2.CenterCrop(64)])(x)
    assert torch.equal(RGB.eval()(x), RGB.normalise()(expected))


@pytest.mark.parametrize("shape", [(3, 1, 1), (3, 1, 3000), (3, 3000, 2), (3, 64, 64), (3, 63, 500), (3, 9, 9)])
@pytest.mark.parametrize("resize", ["exact", "crop"])
def test_any_shape_becomes_the_size(shape, resize):
    preprocessing = Preprocessing(size=(64, 64), channels=3, mean=RGB.mean, std=RGB.std, resize=resize)
    for transform in (preprocessing.eval(), *(preprocessing.train(a) for a in ("light", "standard", "strong"))):
        out = transform(image(*shape))
        assert out.shape == (3, 64, 64)
        assert out.dtype == torch.float32
        assert out.isfinite().all()


def test_a_very_long_image_needs_no_huge_one():
    out = RGB.eval()(image(3, 2, 50_000))  # by its shorter side alone it would become 73 x 1,825,000
    assert out.shape == (3, 64, 64)


def test_batch_equals_single_images():
    x = image(5, 1, 20, 30)
    together = GREY.eval()(x)
    for i in range(5):
        torch.testing.assert_close(together[i], GREY.eval()(x[i]), rtol=0, atol=0)


def test_channels_are_converted():
    colour = Preprocessing(size=(28, 28), channels=3, mean=(0.25,) * 3, std=(0.5,) * 3)
    x = image(1, 28, 28)
    assert torch.equal(colour.eval()(x), GREY.eval()(x).expand(3, -1, -1))
    assert GREY.eval()(image(3, 28, 28)).shape == (1, 28, 28)
    assert GREY.train("strong")(image(3, 28, 28)).shape == (1, 28, 28)


def test_restore_is_the_way_back():
    x = image(2, 3, 64, 64)
    assert torch.equal(RGB.restore(RGB.normalise()(x)), x)


@pytest.mark.parametrize("preprocessing", [GREY, RGB])
def test_json_and_back(preprocessing):
    text = json.dumps(preprocessing.to_json())
    assert Preprocessing.from_json(json.loads(text)) == preprocessing


@pytest.mark.parametrize(
    "change", [{"mean": None}, {"size": [28]}, {"resize": "squash"}, {"std": [0]}, {"more": 1}, {"size": "28"}]
)
def test_a_record_that_is_none_is_refused(change):
    with pytest.raises(DataError, match="describes no preprocessing"):
        Preprocessing.from_json(GREY.to_json() | change)
    with pytest.raises(DataError, match="describes no preprocessing"):
        Preprocessing.from_json({"size": [28, 28]})


def test_what_is_impossible_is_refused():
    with pytest.raises(OptionError, match="is not possible"):
        Preprocessing(size=(28, 28), channels=3, mean=(0.5,), std=(0.5,))


def test_small_images_of_one_size_are_kept_whole():
    source = open_source("fashion-mini")
    found = preprocessing_for(source)
    values = source.splits["train"].images.numpy() / 255
    assert (found.size, found.channels, found.resize, found.mirror) == ((28, 28), 1, "exact", True)
    np.testing.assert_allclose((found.mean[0], found.std[0]), (values.mean(), values.std()), atol=1e-5)
    assert preprocessing_for(source, 32).size == (32, 32)
    assert preprocessing_for(source, mirror=False).mirror is False
    wide = preprocessing_for(source, channels=3)
    assert (wide.channels, wide.mean) == (3, found.mean * 3)
    assert preprocessing_for(open_source("mnist-mini")).mirror is False


def test_photographs_are_cropped(plant):
    for label in ("a", "b"):
        root = plant(label, 6, size=(250, 300), suffix="jpg")
        plant(label, 6, size=(320, 240))
    source = open_source(f"folder:{root}")
    found = preprocessing_for(source)
    assert (found.size, found.channels, found.resize) == ((224, 224), 3, "crop")
    assert preprocessing_for(source, 64).size == (64, 64)
    grey = preprocessing_for(source, channels=1)
    np.testing.assert_allclose(grey.mean[0], np.dot((0.299, 0.587, 0.114), found.mean))


def test_small_images_of_mixed_sizes_stay_small(plant):
    for label in ("a", "b"):
        root = plant(label, 6, size=(49, 60))
        plant(label, 6, size=(50, 70), suffix="bmp")
    assert preprocessing_for(open_source(f"folder:{root}")).size == (48, 48)


def test_one_colour_only_does_not_divide_by_zero(tmp_path):
    root = tmp_path
    for label in ("a", "b"):
        (root / label).mkdir(parents=True)
        for i in range(10):
            Image.new("RGB", (8 + i, 9), (0, 0, 255)).save(root / label / f"{i}.png")
    out = preprocessing_for(open_source(f"folder:{root}")).eval()(image(3, 9, 9))
    assert out.isfinite().all()


def test_value_range_survives_json():
    deep = Preprocessing(size=(8, 8), channels=1, mean=(0.5,), std=(0.2,), resize="pad", value_range=(-1024.0, 3071.0))
    assert Preprocessing.from_json(json.loads(json.dumps(deep.to_json()))) == deep
    record = GREY.to_json()
    del record["value_range"]
    assert Preprocessing.from_json(record) == GREY
    with pytest.raises(OptionError, match="value_range None or"):
        Preprocessing(size=(8, 8), channels=1, mean=(0.5,), std=(0.2,), value_range=(3, 3))


def test_deep_images_without_range_are_named():
    known = Preprocessing((8, 8), 1, (0.5,), (0.2,), "crop", mirror=False)
    sizes = torch.tensor([[8, 8], [8, 8]])
    assert unlike_warnings(sizes, (), known) == ()
    (said,) = unlike_warnings(sizes, ["a.png"], known)
    assert "1 here have more, such as a.png: of them the values 0 to 65535" in said
    (said,) = unlike_warnings(sizes, ["a.png"], known, (924, 1131))
    assert "924 to 1131" in said
    assert "--value-range" in said
    assert unlike_warnings(sizes, ["a.png"], replace(known, value_range=(0, 4095))) == ()
