import json

import numpy as np
import torch

from regard.report.caption_figure import StepMaps
from regard.report.caption_files import CaptionContents, save_captions


def test_a_folder_holds_what_its_manifest_says(tmp_path):
    maps = StepMaps(name="a.map", weights=np.full((2, 3, 4), 1 / 12, np.float32), target=("x", "⊣"))
    contents = CaptionContents(
        network="net", source="photos/1.jpg", image=torch.zeros(1, 6, 8, dtype=torch.uint8), answer="x", maps=[maps],
        versions={"regard": "0"},
    )  # fmt: skip
    folder = save_captions(contents, tmp_path / "one")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["files"]) == {file.name for file in folder.iterdir()}
    assert manifest["maps"][0]["files"] == ["01_a.map_steps.png"]
    assert np.load(folder / "maps.npz")["a.map"].shape == (2, 3, 4)
