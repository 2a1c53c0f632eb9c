"""Files and folders become the images in them, each once, and an account of the rest."""

import numpy as np
import pytest
from PIL import Image

from regard.core import DataError
from regard.data import Preprocessing
from regard.recipes.image_files import image_files, warn_of_unlike


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.jpg", "notes.txt", "c.heic", "deep/d.png", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_images_come_once_and_files_are_counted(folder):
    files, tally = image_files("predict", [str(folder), str(folder / "a.png"), str(folder / "deep")], "skip")
    assert files == [folder / "a.png", folder / "b.jpg", folder / "deep/d.png"]
    account = tally.settle({"predicted": 3})
    assert (account.found, len(account.left_out), len(account.unknown)) == (6, 2, 1)


def test_what_is_named_is_tried_whatever_its_name(folder):
    assert image_files("predict", [str(folder / "notes.txt")], "skip")[0] == [folder / "notes.txt"]


def test_refused(folder, tmp_path):
    with pytest.raises(DataError, match=r"explain: .*c\.heic: it is HEIC"):
        image_files("explain", [str(folder)], "fail")
    (tmp_path / "phone").mkdir()
    (folder / "c.heic").rename(tmp_path / "phone/c.heic")
    with pytest.raises(DataError, match=r"contains no image that can be read; the first: .*it is HEIC"):
        image_files("explain", [str(tmp_path / "phone")], "skip")
    with pytest.raises(DataError, match="there is no file or folder"):
        image_files("explain", [str(tmp_path / "absent")], "skip")
    with pytest.raises(DataError, match="name the images"):
        image_files("explain", [], "skip")


def test_a_run_in_place_of_images_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "run/curve.png")
    (tmp_path / "run/weights.safetensors").touch()
    for given in (tmp_path / "run", tmp_path / "run/weights.safetensors"):
        with pytest.raises(DataError, match=f"explain: {given} is a trained network, .*with --run {given}"):
            image_files("explain", [str(given)], "skip")


def test_what_a_network_sees_otherwise_is_said(tmp_path, capsys):
    Image.fromarray(np.full((8, 40), 1000, np.uint16)).save(tmp_path / "deep.png")
    (tmp_path / "torn.png").write_bytes(b"no image")
    known = Preprocessing((8, 8), 1, (0.5,), (0.2,), "crop", mirror=False)
    warn_of_unlike([tmp_path / "torn.png", tmp_path / "deep.png"], known)
    said = " ".join(capsys.readouterr().err.split())
    assert "cuts more than a third off 1 of 1 images" in said
    assert "deep.png: of them the values 0 to 65535" in said
    warn_of_unlike([tmp_path / "torn.png"], known)
    assert capsys.readouterr().err == ""
