import json

import numpy as np
import pytest
import torch

from regard.core import RunError
from regard.report.clip_files import ClipContents, save_clip


def contents(**other):
    given = {
        "network": "clipnet",
        "clip": "a.mp4",
        "answers": [("run", 0.75), ("walk", 0.25)],
        "inputs": torch.zeros(1, 3, 6, 6, dtype=torch.uint8),
        "numbers": [0, 5, 9],
        "weights": {"pool.frame": np.full((1, 3), 1 / 3, dtype=np.float32)},
        "spatial": {"lstm.spatial": torch.rand(3, 2, 2)},
        "seconds": None,
        "versions": {},
    }
    return ClipContents(**given | other)


def test_a_folder_holds_figures_arrays_and_a_manifest(tmp_path):
    save_clip(contents(), tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["files"] == [
        "01_pool.frame_frames.png",
        "02_lstm.spatial_frames.png",
        "maps.npz",
        "manifest.json",
    ]
    assert manifest["frames"] == [0, 5, 9]
    assert manifest["answers"][0] == {"class": "run", "probability": 0.75}
    assert np.load(tmp_path / "maps.npz")["lstm.spatial"].shape == (3, 2, 2)


def test_a_sound_has_a_curve(tmp_path):
    save_clip(contents(inputs=torch.randn(4, 3), spatial={}, seconds=0.01), tmp_path)
    assert (tmp_path / "01_pool.frame_frames.png").stat().st_size > 1000


def test_foreign_files_are_kept(tmp_path):
    (tmp_path / "maps.npz").write_text("mine")
    with pytest.raises(RunError, match=r"maps\.npz"):
        save_clip(contents(), tmp_path)
