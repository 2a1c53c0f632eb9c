"""Images of three kinds of bars, a small network trained on them, and the suite's one comparison."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from regard.recipes.train import Trained, train
from regard.training import Recipe
from tests.recipes.clips import MODEL as CLIP_MODEL
from tests.recipes.clips import QUICK as CLIP_QUICK
from tests.recipes.clips import write_clips
from tests.recipes.comparison import Interrupted, interrupt_comparison

BARS = ("left", "middle", "right")
QUICK = Recipe(epochs=2, batch_size=10, lr=0.05)


def bars(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """n grey images of 12 x 12 pixels with a bright bar at the left, in the middle or at the right."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = rng.integers(0, 60, (n, 12, 12))
    for k in range(3):
        images[labels == k, :, 4 * k : 4 * k + 4] += 180
    return images.astype(np.uint8), labels


@pytest.fixture(scope="session")
def bar_source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """`npz:PATH` of 90 training, 30 validation and 30 test images."""
    path = tmp_path_factory.mktemp("bars") / "bars.npz"
    arrays = {}
    for seed, (split, n) in enumerate({"train": 90, "val": 30, "test": 30}.items()):
        arrays[f"x_{split}"], arrays[f"y_{split}"] = bars(n, seed)
    np.savez(path, classes=np.array(BARS), **arrays)
    return f"npz:{path}"


@pytest.fixture(scope="session")
def trained(bar_source: str, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A resnet8 with squeeze-and-excitation after two epochs."""
    out = tmp_path_factory.mktemp("runs") / "bars"
    return train(data=bar_source, model="resnet8", attention="se", out=str(out), recipe=QUICK, device="cpu")


@pytest.fixture(scope="session")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Interrupted:
    """The one comparison of the suite: one process of pytest-xdist runs it, the others wait and read what it left."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, stored = shared / "comparison", shared / "comparison.pickle"
    with FileLock(shared / "comparison.lock"):
        if not stored.exists():
            folder.mkdir()
            stored.write_bytes(pickle.dumps(interrupt_comparison(folder)))
        return pickle.loads(stored.read_bytes())


@pytest.fixture
def bar_files(tmp_path: Path) -> Callable[[int], list[Path]]:
    """Writes so many of the images as PNG files of mixed kinds and sizes, with their class in the name."""

    def write(n: int) -> list[Path]:
        folder = tmp_path / "images"
        folder.mkdir()
        paths = []
        for number, (pixels, label) in enumerate(zip(*bars(n, 9), strict=True)):
            image = Image.fromarray(pixels).resize((24 + number, 24)).convert(("L", "RGB", "RGBA")[number % 3])
            paths.append(folder / f"{number}-{BARS[label]}.png")
            image.save(paths[-1])
        return paths

    return write


@pytest.fixture(scope="session")
def clip_run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A network for clips that pools frames by attention, after four epochs."""
    folder = tmp_path_factory.mktemp("clips")
    data = write_clips(folder)
    out = str(folder / "run")
    return train(data=data, model=CLIP_MODEL, attention="temporal_pool", out=out, recipe=CLIP_QUICK, device="cpu")
