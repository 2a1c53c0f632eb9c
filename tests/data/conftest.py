"""Images on disk for the tests of the data room; what checks remember goes to a folder of the test's own."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("REGARD_CACHE", str(folder))
    return folder


@pytest.fixture
def noise():
    """A function of (seed, height, width, channels) to an array of random pixels."""

    def make(seed, height=12, width=10, channels=3):
        shape = (height, width) if channels == 1 else (height, width, channels)
        return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)

    return make


@pytest.fixture
def plant(tmp_path, noise):
    """Writes a random image for each number under `root/where`, every one different; returns the root."""
    root = tmp_path / "images"
    planted = iter(range(1_000_000))

    def write(where, count, channels=3, size=(12, 10), suffix="png"):
        folder = root / where
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.fromarray(noise(next(planted), *size, channels)).save(folder / f"{number:03d}.{suffix}")
        return root

    return write


@pytest.fixture
def arrays(noise):
    """Arrays of a sound npz source: three classes, 30 training and 9 test images."""
    return {
        "x_train": np.stack([noise(i, 6, 5, 3) for i in range(30)]),
        "y_train": np.arange(30) % 3,
        "x_test": np.stack([noise(100 + i, 6, 5, 3) for i in range(9)]),
        "y_test": np.arange(9) % 3,
    }
