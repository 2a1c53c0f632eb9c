import base64
import io

import numpy as np
import pytest
from PIL import Image

from regard.report.thumbnails import thumbnails


def encode(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def open_uri(uri):
    head, body = uri.split(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    return Image.open(io.BytesIO(base64.b64decode(body)))


def noise(seed, side=400):
    return encode(np.random.default_rng(seed).integers(0, 255, (side, side // 2, 3), np.uint8))


def test_a_small_image_keeps_every_pixel():
    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:9, 4:9] = 255
    (uri,) = thumbnails([encode(pixels)]).values()
    assert (np.asarray(open_uri(uri).convert("L")) == pixels).all()


def test_large_image_shrinks_and_keeps_shape():
    (uri,) = thumbnails([noise(0)]).values()
    assert open_uri(uri).size == (112, 224)


def test_budget_includes_repeated_images():
    images = [noise(i) for i in range(4)]
    for repeats in (1, 5):
        made = thumbnails(images * repeats, budget=60_000)
        assert repeats * sum(map(len, made.values())) <= 60_000
        assert set(made) == set(images)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "I;16"])
def test_every_kind_of_png_is_taken(mode):
    file = io.BytesIO()
    Image.new(mode, (5, 4)).save(file, "PNG")
    assert open_uri(thumbnails([file.getvalue()])[file.getvalue()]).size == (5, 4)


def test_no_images_are_no_thumbnails():
    assert thumbnails([]) == {}
