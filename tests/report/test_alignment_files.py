import json

import numpy as np
import pytest

from regard.core import RunError
from regard.report.alignment_figure import Alignment
from regard.report.alignment_files import TextContents, save_alignments


def contents(text="ab"):
    weights = np.full((3, 2), 0.5, np.float32)
    alignment = Alignment(name="decoder.attention.map", weights=weights, source=("a", "b"), target=("x", "y", "⊣"))
    return TextContents(network="net", text=text, answer="xy", alignments=[alignment], versions={"regard": "1"})


def test_what_a_folder_holds(tmp_path):
    folder = save_alignments(contents(), tmp_path / "one")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {path.name for path in folder.iterdir()} == set(manifest["files"])
    assert (manifest["text"], manifest["answer"]) == ("ab", "xy")
    assert manifest["maps"][0]["target"] == ["x", "y", "⊣"]
    with np.load(folder / "maps.npz") as arrays:
        assert arrays["decoder.attention.map"].shape == (3, 2)
    save_alignments(contents("other"), folder)


def test_files_of_others_stay(tmp_path):
    (tmp_path / "maps.npz").write_text("mine")
    with pytest.raises(RunError, match="belong to no explanation"):
        save_alignments(contents(), tmp_path)
