import io

import numpy as np
import pytest
import torch
from PIL import Image

from regard.report.caption_figure import StepMaps, steps_figure


def drawn(count, shape=(1, 8, 16)):
    weights = np.zeros((count, 2, 4), np.float32)
    for step in range(count):
        weights[step, 0, step % 4] = 1
    maps = StepMaps(name="look.alignment", weights=weights, target=[" ", *"word"[: count - 1]][:count])
    return np.asarray(Image.open(io.BytesIO(steps_figure(maps, torch.full(shape, 90, dtype=torch.uint8), "a → b"))))


def test_each_symbol_has_its_own_bright_position():
    pixels = drawn(3)
    yellow = (pixels[..., 0] > 150) & (pixels[..., 1] > 150) & (pixels[..., 2] < 110)
    columns = np.flatnonzero(yellow.any(0))
    assert len(np.flatnonzero(np.diff(columns) > 20)) == 2, "three bright spots, apart"


@pytest.mark.parametrize(("count", "shape"), [(1, (3, 9, 7)), (30, (1, 8, 16))])
def test_few_and_many_symbols_fit(count, shape):
    assert min(drawn(count, shape).shape[:2]) > 300


def test_nearly_equal_weights_are_told_apart():
    weights = np.full((1, 2, 4), 0.12, np.float32)
    weights[0, 1, 2] = 0.16
    maps = StepMaps(name="look.alignment", weights=weights, target=["x"])
    image = torch.full((1, 8, 16), 90, dtype=torch.uint8)
    pixels = np.asarray(Image.open(io.BytesIO(steps_figure(maps, image, "a → b"))).convert("RGB")).astype(int)
    yellow = (pixels[..., 0] > 150) & (pixels[..., 1] > 150) & (pixels[..., 2] < 110)
    assert 0 < yellow.mean() < 0.05, "one bright spot, not a bright image"
