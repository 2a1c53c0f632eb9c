import io

import numpy as np
import torch
from PIL import Image

from regard.report.clip_figure import SHOWN, _choose, clip_sheet, sound_curve


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_a_sheet_shows_every_frame_and_weight():
    frames = torch.zeros(1, 14, 8, 8, dtype=torch.uint8)
    weights = np.full((1, 14), 1 / 14, dtype=np.float32)
    bare, weighted = (pixels(clip_sheet("a clip", "pool", frames, weights=w)) for w in (None, weights))
    assert weighted.shape[0] > bare.shape[0]
    dark = (bare.sum(2) < 30).mean(0) > 0.2
    assert np.count_nonzero(np.diff(dark.astype(int)) == 1) == 12  # the frames of the first row
    spatial = torch.rand(14, 2, 2)
    assert not np.array_equal(pixels(clip_sheet("a clip", "pool", frames, spatial=spatial)), bare)


def test_of_long_clips_the_heaviest_frames_are_shown():
    weights = np.zeros(300, dtype=np.float32)
    weights[[7, 250]] = 0.5
    chosen = _choose(300, weights)
    assert len(chosen) == SHOWN
    assert {7, 250} <= set(chosen)
    assert chosen == sorted(chosen)
    assert _choose(5, weights[:5]) == [0, 1, 2, 3, 4]
    assert _choose(300, None)[-1] == 293


def test_a_curve_follows_its_weights():
    values = torch.randn(8, 40)
    early, late = np.zeros((1, 40), dtype=np.float32), np.zeros((1, 40), dtype=np.float32)
    early[0, 4], late[0, 35] = 1.0, 1.0
    one, two = (pixels(sound_curve("a sound", "pool", values, w, seconds=0.01)) for w in (early, late))
    changed = np.flatnonzero((one != two).any(2).any(0))
    assert changed.min() < 0.3 * one.shape[1]
    assert changed.max() > 0.7 * one.shape[1]
