"""Images found in a folder, and the treatment of bad ones."""

from pathlib import Path

import pytest
import torch

from regard.core.errors import DataError
from regard.data import BadImageError
from regard.data.account import LeftOut, Tally
from regard.data.listing import checked_images, find_images, image_folder, subfolders, warn_of_ignored
from regard.data.source import Opening


def test_images_are_found_at_any_depth_unless_hidden(plant):
    root = plant("cat", 1, suffix="PNG")
    plant("cat/deep/deeper", 1, suffix="jpg")
    plant("cat/.hidden", 1)
    plant("__MACOSX", 1)
    for name in (".DS_Store", "cat/.a.png", "cat/notes.txt", "cat/Thumbs.db"):
        (root / name).touch()
    walked = find_images(root)
    others = walked.tally.unknown
    assert [p.relative_to(root).as_posix() for p in walked.images] == ["cat/000.PNG", "cat/deep/deeper/000.jpg"]
    assert [Path(p).name for p in others] == ["Thumbs.db", "notes.txt"]
    assert [p.name for p in subfolders(root)] == ["cat"]
    assert warn_of_ignored(others, root) == (
        "2 files are ignored, as their names are not those of images: cat/Thumbs.db, cat/notes.txt.",
    )
    assert warn_of_ignored([], root) == ()


def test_folders_that_are_none_are_refused(tmp_path):
    (tmp_path / "set.npz").touch()
    (tmp_path / "set.zip").touch()
    (tmp_path / "empty").mkdir()
    for name, message in {
        "absent": "There is no folder",
        "empty": "is empty: put one folder a class into it",
        "set.npz": "is a file, not a folder of images. An npz file is opened as npz:",
        "set.zip": "Unpack the archive first",
    }.items():
        with pytest.raises(DataError, match=message):
            image_folder(str(tmp_path / name))


def test_bad_images_are_listed_or_an_error(plant):
    root = plant("", 4)
    (root / "001.png").write_bytes(b"")
    (root / "003.png").write_bytes((root / "003.png").read_bytes()[:100])
    names = [f"00{i}.png" for i in range(4)]
    labels = torch.arange(4)
    tally = Tally(4)
    found = checked_images(root, names, labels, Opening(), tally)
    skipped = tally.left_out
    assert found.kept == found.images.labels.tolist() == [0, 2]
    assert [found.images.names(i) for i in range(2)] == ["000.png", "002.png"]
    assert skipped[0] == LeftOut(str(root / "001.png"), "the file is empty (0 bytes)")
    assert skipped[1].path == str(root / "003.png")
    with pytest.raises(BadImageError, match=r"2 of 4 images .* cannot be used") as error:
        checked_images(root, names, labels, Opening(on_bad="fail"), Tally(4))
    assert str(skipped[0]) in str(error.value)
    assert str(skipped[1]) in str(error.value)


def test_all_grey_is_one_channel(plant):
    root = plant("", 2, channels=1)
    names, labels = ["000.png", "001.png"], torch.arange(2)
    assert checked_images(root, names, labels, Opening(), Tally(2)).images.channels == 1
    plant("", 1, channels=3)
    assert checked_images(root, names, labels, Opening(), Tally(2)).images.channels == 3
