"""`regard data show`: what it says and what it writes."""

import json

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from regard.core.errors import DataError
from regard.data import Reading
from regard.recipes.show_data import show_data


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def photographs(tmp_path):
    root, rng = tmp_path / "photographs", np.random.default_rng(0)
    for label, count in (("[red] fox", 12), ("hare", 50)):
        (root / label).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (20 + i, 30, 3), dtype=np.uint8)).save(root / label / f"{i}.png")
    (root / "hare/0.png").write_bytes(b"")
    return root


def text(summary):
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(summary)
    return console.export_text()


def test_a_folder(photographs, tmp_path):
    summary = show_data(source=f"folder:{photographs}", out=tmp_path / "out")
    assert summary.classes == ("[red] fox", "hare")
    assert summary.images == {"train": 43, "val": 9, "test": 9}
    assert summary.sizes["smallest"][0] < summary.sizes["median"][0] < summary.sizes["largest"][0]
    said = text(summary)
    for expected in (
        "[red] fox",
        "RGB",
        "smallest 2",
        "62 files: 61 used (train 43, val 9, test 9), 1 left out, 0 not understood",
        "1 left out, the file is empty (0 bytes)",
        "Warning: The classes are imbalanced",
        "seed 0: val (9 images) and test (9",
        "not known",
    ):
        assert expected in said
    assert Image.open(summary.sheet).format == "PNG"
    record = json.loads((tmp_path / "out/summary.json").read_text())
    assert record["counts"] == {split: list(counts) for split, counts in summary.counts.items()}
    assert record["account"] == summary.account.to_json()
    assert record["sheet"] == "contact-sheet.png"


def test_shipped_sets_are_written_under_their_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    summary = show_data(source="mnist-mini")
    assert (tmp_path / "runs/data/mnist-mini/contact-sheet.png").exists()
    said = text(summary)
    assert "all 28 x 28" in said
    assert "Attribution-Share Alike 3.0" in said
    assert "as they come with the source" in said


def test_bad_images_fail_where_they_are_to(photographs, tmp_path):
    with pytest.raises(DataError, match=r"0\.png: the file is empty"):
        show_data(source=f"folder:{photographs}", out=tmp_path / "out", reading=Reading(on_bad="fail"))
    assert not (tmp_path / "out").exists()
