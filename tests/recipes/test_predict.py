"""Images get the class that the network gives them, with its own preprocessing; bad ones are named."""

import csv
import io

import pytest
import torch
from rich.console import Console

from regard.core import DataError, OptionError
from regard.data import read_image
from regard.recipes.network import load_network
from regard.recipes.predict import predict


def test_predictions_are_what_the_network_says(trained, bar_files):
    paths = bar_files(6)
    found = predict([str(path) for path in paths], run=str(trained.path), device="cpu")
    loaded = load_network(trained.path)
    for path, prediction in zip(paths, found.predictions, strict=True):
        x = loaded.preprocessing.eval()(read_image(path, 1))
        shares = loaded.net(x[None])[0].softmax(0)
        assert prediction.image == path
        assert dict(prediction.classes) == pytest.approx(
            dict(zip(loaded.classes, shares.tolist(), strict=True)), abs=1e-5
        )
        assert prediction.classes[0][0] == loaded.classes[int(shares.argmax())]
        assert sum(p for _, p in prediction.classes) == pytest.approx(1.0)
    assert found.account.complete


def test_folders_and_files_and_how_many_classes(trained, bar_files, tmp_path):
    paths = bar_files(3)
    (paths[0].parent / "notes.txt").write_text("no image")
    found = predict(
        [str(paths[0].parent), str(paths[1])], run=str(trained.path), top=1, out=str(tmp_path / "p.csv"), device="cpu"
    )
    assert [p.image for p in found.predictions] == sorted(paths)
    assert all(len(p.classes) == 1 for p in found.predictions)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "p.csv").read_text())))
    assert [row["class"] for row in rows] == [p.classes[0][0] for p in found.predictions]


def test_bad_images_are_named_and_skipped_or_fail(trained, bar_files):
    paths = bar_files(3)
    paths[1].write_bytes(b"")
    found = predict([str(path) for path in paths], run=str(trained.path), device="cpu")
    assert [p.image for p in found.predictions] == [paths[0], paths[2]]
    assert found.account.bad[0].path == str(paths[1])
    console = Console(width=200)
    with console.capture() as capture:
        console.print(found)
    assert "3 files: 2 used (predicted 2), 1 left out" in capture.get()
    assert str(paths[1]) in capture.get()
    with pytest.raises(DataError, match="1-middle"):
        predict([str(path) for path in paths], run=str(trained.path), on_bad="fail", device="cpu")
    with pytest.raises(DataError, match=r"no image of 1 could be read; the first: .*1-middle"):
        predict([str(paths[1])], run=str(trained.path), device="cpu")


def test_other_formats_and_files_are_counted(trained, bar_files):
    paths = bar_files(3)
    folder = paths[0].parent
    for name in ("IMG_1.HEIC", "notes.txt", ".DS_Store"):
        (folder / name).write_bytes(b"x")
    account = predict([str(folder), str(paths[0])], run=str(trained.path), device="cpu").account
    assert (account.found, dict(account.used), len(account.unknown)) == (6, {"predicted": 3}, 1)
    assert account.bad[0].reason.startswith("it is HEIC")
    with pytest.raises(DataError, match=r"IMG_1\.HEIC: it is HEIC"):
        predict([str(folder)], run=str(trained.path), on_bad="fail", device="cpu")


def test_what_cannot_be_predicted(trained, tmp_path):
    with pytest.raises(DataError, match=r"no file or folder .*no\.png"):
        predict([str(tmp_path / "no.png")], run=str(trained.path))
    with pytest.raises(DataError, match="contains no image"):
        predict([str(tmp_path)], run=str(trained.path))
    with pytest.raises(DataError, match="name the images"):
        predict([], run=str(trained.path))
    with pytest.raises(OptionError, match="top=0"):
        predict([str(tmp_path)], run=str(trained.path), top=0)


def test_the_generator_is_left_alone(trained, bar_files):
    paths = bar_files(1)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    predict([str(paths[0])], run=str(trained.path), device="cpu")
    assert torch.equal(torch.rand(2), expected)
