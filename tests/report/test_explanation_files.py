import io
import json
import os

import numpy as np
import pytest
import torch
from PIL import Image

from regard.core import RunError
from regard.recipes.explain import explain
from regard.report import explanation_files
from tests.explanation.nets import classifier


def explanation(attention="cbam"):
    return explain(classifier(attention), torch.rand(4, 16, 12), classes=("a", "b", "c", "d"), top=2)


def test_the_manifest_lists_every_file_and_map(tmp_path):
    found = explanation()
    folder = found.save(tmp_path / "deep" / "out")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert sorted(manifest["files"]) == sorted(os.listdir(folder))
    assert [m["name"] for m in manifest["maps"]] == list(found.maps)
    assert [m["kind"] for m in manifest["maps"]] == [m.kind.name for m in found.maps.values()]
    assert {answer["class"] for answer in manifest["answers"]} == {"a", "b", "c", "d"}
    assert sum(answer["probability"] for answer in manifest["answers"]) == pytest.approx(1)
    assert manifest["size"] == [16, 12]
    assert "torch" in manifest["versions"]
    listed = [file for m in manifest["maps"] for file in m["files"]]
    assert set(listed) | {"summary.png", "maps.npz", "manifest.json"} == set(manifest["files"])


def test_arrays_are_the_maps(tmp_path):
    found = explanation("bam")
    arrays = np.load(found.save(tmp_path / "out") / "maps.npz")
    assert sorted(arrays) == sorted(found.maps)
    for name, map in found.maps.items():
        np.testing.assert_array_equal(arrays[name], map.values[0])


def test_every_figure_is_a_nonempty_png(tmp_path):
    folder = explanation().save(tmp_path / "out")
    for path in folder.glob("*.png"):
        pixels = np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("RGB"))
        assert len(np.unique(pixels.astype(int) @ [65536, 256, 1])) > 50, path.name


def test_saving_again_replaces_only_earlier_files(tmp_path):
    explanation("cbam").save(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    explanation("se").save(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert sorted(os.listdir(tmp_path)) == sorted([*manifest["files"], "notes.txt"])
    assert not list(tmp_path.glob("*positions.png"))
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["summary.png", "manifest.json", "maps.npz"])
def test_files_that_are_somebody_elses_are_not_overwritten(tmp_path, name):
    (tmp_path / name).write_text('{"files": ["summary.png"]}')
    with pytest.raises(RunError, match=name):
        explanation().save(tmp_path)
    assert os.listdir(tmp_path) == [name]


def test_a_manifest_that_names_files_elsewhere_deletes_nothing(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    folder = explanation().save(tmp_path / "out")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] += ["../precious", str(precious)]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    explanation("se").save(folder)
    assert precious.read_text() == "mine"


def test_full_disk_leaves_earlier_files(tmp_path, monkeypatch):
    explanation("se").save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(explanation_files.os, "fsync", full)
    with pytest.raises(RunError, match="No space left"):
        explanation("cbam").save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_file_instead_of_folder_is_an_error(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(RunError, match="could not be written"):
        explanation().save(tmp_path / "out")
