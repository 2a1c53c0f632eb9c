import json

import numpy as np
from PIL import Image

from regard.recipes.show_data import show_data
from tests.data.clip_writing import tone, write_sound


def test_clips_are_described_and_drawn(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (20, 3, 6, 12, 10)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.arange(20) % 2, lengths_train=np.arange(20) % 5 + 2)
    found = show_data(source=f"clips:{tmp_path / 'a.npz'}", out=tmp_path / "out")
    record = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert sum(record["counts"]["train"]) == len(x) - sum(record["counts"]["val"]) - sum(record["counts"]["test"])
    assert record["sizes"] == [[12, 10]]
    assert found.lengths[0] >= 2
    assert found.lengths[2] <= 6
    assert Image.open(tmp_path / "out" / "contact-sheet.png").width > 100


def test_sounds_are_described(tmp_path):
    for number in range(4):
        for hertz in (300, 900):
            write_sound(tmp_path / "set" / str(hertz) / f"{number}.wav", tone(hertz + number, 0.2, 8000), 8000)
    found = show_data(source=f"sound:{tmp_path / 'set'}:rate=8000,bands=16", out=tmp_path / "out")
    assert (found.kind, found.rate, found.channels, found.sheet) == ("sound", 8000, 16, None)
    assert found.lengths == (1600, 1600, 1600)
    assert "8 files: 8 used" in str(found.account)
