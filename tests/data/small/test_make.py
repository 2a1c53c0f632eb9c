"""The program that makes the shipped sets: balanced, disjoint, the same bytes each time."""

import io
import os
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from regard.data.small.make import choose, make

COUNTS = {"train": 40, "val": 20, "test": 20}


@pytest.fixture(scope="module")
def full():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (400, 4, 4), dtype=np.uint8)
    x[200:300] = x[:100]  # test images that equal training images
    return {"x_train": x[:200], "y_train": np.arange(200) % 10, "x_test": x[200:], "y_test": np.arange(200) % 10}


def test_every_class_equally_often_and_no_image_twice(full):
    small = np.load(io.BytesIO(make(full, "mnist-mini", COUNTS)))
    for split, count in COUNTS.items():
        assert np.bincount(small[f"y_{split}"]).tolist() == [count // 10] * 10
    together = np.concatenate([small[f"x_{split}"] for split in COUNTS])
    assert len(np.unique(together, axis=0)) == sum(COUNTS.values())


def test_the_numbers_lead_back_to_the_full_set(full):
    small = np.load(io.BytesIO(make(full, "mnist-mini", COUNTS)))
    for split in COUNTS:
        part = "test" if split == "test" else "train"
        numbers = small[f"i_{split}"]
        assert (np.diff(numbers.astype(int)) > 0).all()
        np.testing.assert_array_equal(small[f"x_{split}"], full[f"x_{part}"][numbers])
        np.testing.assert_array_equal(small[f"y_{split}"], full[f"y_{part}"][numbers])


def test_the_same_bytes_each_time(full):
    assert make(full, "mnist-mini", COUNTS) == make(full, "mnist-mini", COUNTS)
    assert make(full, "mnist-mini", COUNTS) != make(full, "fashion-mini", COUNTS)


@pytest.mark.parametrize(("small", "source"), [("fashion-mini", "fashion_mnist"), ("mnist-mini", "mnist")])
def test_the_shipped_images_are_what_the_program_chooses(small, source):
    path = Path(os.environ.get("REGARD_FULL_SETS", "nowhere")) / f"{source}.npz"
    if not path.exists():
        pytest.skip(f"needs {source}.npz, the full set, in the folder that REGARD_FULL_SETS names")
    shipped = np.load(io.BytesIO(files("regard.data.small").joinpath(f"{small}.npz").read_bytes()))
    with np.load(path) as arrays:
        full = dict(arrays)
    for split, numbers in choose(full, small).items():
        part = "test" if split == "test" else "train"
        np.testing.assert_array_equal(shipped[f"i_{split}"], numbers)
        np.testing.assert_array_equal(shipped[f"x_{split}"], full[f"x_{part}"][numbers])
        np.testing.assert_array_equal(shipped[f"y_{split}"], full[f"y_{part}"][numbers])
