"""folder: sources: one folder a class, with or without split folders."""

import os

import pytest
import torch
from PIL import Image

from regard.core.errors import DataError
from regard.data import BadImageError, open_source


def open_folder_at(root, **options):
    return open_source(f"folder:{root}", **options)


def test_class_folders_are_split_by_the_seed(plant):
    for label in ("dog", "cat", "Bird"):
        root = plant(label, 20)
    one, same, other = (open_folder_at(root, seed=seed) for seed in (0, 0, 1))
    assert one.classes == ("Bird", "cat", "dog")
    assert one.counts() == {"train": (14,) * 3, "val": (3,) * 3, "test": (3,) * 3}
    assert one.fingerprint == same.fingerprint != other.fingerprint
    names = [p.names(i) for p in one.splits.values() for i in range(len(p))]
    assert len(set(names)) == 60
    for images in one.splits.values():
        for i in range(len(images)):
            assert images.names(i).split("/")[0] == one.classes[images.labels[i]]


@pytest.mark.parametrize("val", ["val", "validation", "Valid"])
def test_split_folders(plant, val):
    for split, count in (("train", 12), (val, 2), ("test", 3)):
        for label in ("a", "b"):
            root = plant(f"{split}/{label}", count)
    source = open_folder_at(root)
    assert source.counts() == {"train": (12, 12), "val": (2, 2), "test": (3, 3)}
    assert source.warnings == source.notes == source.account.bad == ()
    assert source.splits["val"].names(0) == f"{val}/a/000.png"
    assert source.splits["val"].read(0).shape == (3, 12, 10)


def test_a_missing_split_is_cut_from_train(plant):
    for split, count in (("train", 20), ("test", 3)):
        for label in ("a", "b"):
            root = plant(f"{split}/{label}", count)
    source = open_folder_at(root)
    assert source.counts() == {"train": (17, 17), "val": (3, 3), "test": (3, 3)}
    assert "val (6 images)" in source.notes[0]


def test_grey_images_of_mixed_sizes(plant):
    root = plant("a", 12, channels=1)
    plant("b", 12, channels=1, size=(30, 40))
    source = open_folder_at(root)
    assert source.channels == 1
    shapes = {tuple(source.splits["train"].read(i).shape) for i in range(len(source.splits["train"]))}
    assert shapes == {(1, 12, 10), (1, 30, 40)}


def test_bad_images_are_skipped_or_fail(plant):
    for label in ("a", "b"):
        root = plant(label, 15)
    (root / "a/003.png").write_bytes((root / "a/003.png").read_bytes()[:200])
    (root / "b/004.png").write_text("no image")
    source = open_folder_at(root)
    assert [bad.path for bad in source.account.bad] == [str(root / "a/003.png"), str(root / "b/004.png")]
    assert sum(len(p) for p in source.splits.values()) == 28
    with pytest.raises(BadImageError, match="2 of 30 images"):
        open_folder_at(root, on_bad="fail")
    Image.new("RGB", (100, 100)).save(root / "a/005.png")
    assert len(open_folder_at(root, max_pixels=9999).account.bad) == 3


def test_other_files_are_warned_of(plant):
    for label in ("a", "b"):
        root = plant(label, 15)
    (root / "readme.txt").touch()
    (root / "a/list.csv").touch()
    (said,) = open_folder_at(root).warnings
    assert "2 files are ignored, as their names are not those of images" in said


def test_an_image_in_two_splits_is_warned_of(plant):
    for split, count in (("train", 12), ("val", 3), ("test", 3)):
        for label in ("a", "b"):
            root = plant(f"{split}/{label}", count)
    (root / "test/a/000.png").write_bytes((root / "train/a/005.png").read_bytes())
    (said,) = open_folder_at(root).warnings
    assert said.startswith("1 image is both in 'train' and in 'test'")


def test_refused(plant, tmp_path):
    root = plant("only", 12)
    with pytest.raises(DataError, match="one class only"):
        open_folder_at(root)
    (root / "nothing").mkdir()
    with pytest.raises(DataError, match=r"class folder .*nothing has no image"):
        open_folder_at(root)
    (root / "nothing/IMG_1.heic").touch()
    with pytest.raises(DataError, match=r"nothing has no image \(only files such as IMG_1\.heic\)"):
        open_folder_at(root)
    (root / "void").mkdir()
    with pytest.raises(DataError, match=r"2 class folders have no image: \S+nothing, \S+void \(only"):
        open_folder_at(root)
    (root / "void").rmdir()
    plant("nothing", 5, suffix="bmp")
    for i in range(5):
        (root / f"nothing/00{i}.bmp").write_bytes(b"")
    with pytest.raises(DataError, match="no usable training image has the class 'nothing'"):
        open_folder_at(root)


def test_refused_splits(plant):
    root = plant("train/cat", 12)
    plant("train/dog", 12)
    plant("val/cat", 2)
    plant("test/cats", 2)
    with pytest.raises(DataError, match=r"test/cats is the folder of a class .* Did you mean 'cat'"):
        open_folder_at(root)
    (root / "test/cats").rename(root / "test/cat")
    assert len(open_folder_at(root).splits["test"]) == 2
    plant("validation/cat", 2)
    with pytest.raises(DataError, match="two folders for the split 'val'"):
        open_folder_at(root)


def test_a_split_without_images_and_without_train(plant):
    root = plant("test/cat", 2)
    with pytest.raises(DataError, match="split folder test but no folder train"):
        open_folder_at(root)
    plant("train/cat", 12)
    plant("train/dog", 12)
    (root / "val").mkdir()
    with pytest.raises(DataError, match="the split 'val' has no usable image"):
        open_folder_at(root)


def test_too_few_images_to_cut_splits_from(plant):
    root = plant("cat", 1)
    plant("dog", 1)
    with pytest.raises(DataError, match=r"too few usable training images \(2\)") as refusal:
        open_folder_at(root)
    assert "remove it" not in str(refusal.value)
    for path in root.glob("*/*.png"):
        path.write_bytes(b"")
    with pytest.raises(
        DataError,
        match=r"no usable image to train on\. 2 cannot be used, the first because: .*000\.png: the file is empty",
    ):
        open_folder_at(root)


def test_loose_images_are_no_classes(plant):
    root = plant("", 5)
    with pytest.raises(DataError, match="has files but no class folders"):
        open_folder_at(root)


def test_equal_images_are_not_parted(plant):
    for label in ("a", "b"):
        root = plant(label, 20)
        for i in range(10):
            (root / label / f"copy{i}.png").write_bytes((root / label / f"00{i}.png").read_bytes())
    source = open_folder_at(root)
    assert not [said for said in source.warnings if "both in" in said]
    assert torch.bincount(source.splits["train"].labels).tolist() != [30, 30]


def test_links_are_followed(plant, tmp_path):
    for label in ("a", "b"):
        root = plant(label, 10)
        plant(f"aside{label}", 30)
        (root / f"aside{label}").rename(tmp_path / f"aside{label}")
        (root / label / "more").symlink_to(tmp_path / f"aside{label}", target_is_directory=True)
    assert sum(len(p) for p in open_folder_at(root).splits.values()) == 80
    (root / "c").symlink_to(root / "a", target_is_directory=True)
    assert open_folder_at(root).classes == ("a", "b", "c")


def test_links_that_lead_round_are_not_followed(plant):
    for label in ("a", "b"):
        root = plant(label, 10)
        plant(f"{label}/deep", 10)
        (root / label / "up").symlink_to(root, target_is_directory=True)
        (root / label / "deep/own").symlink_to(root / label, target_is_directory=True)
        (root / label / "again").symlink_to(root / label / "deep", target_is_directory=True)
    source = open_folder_at(root)
    assert sum(source.account.used.values()) == 40
    assert len(source.account.reasons()["left out, it leads to a folder that is read already"]) == 6
    (root / "a/gone.png").symlink_to(root / "absent.png")
    assert open_folder_at(root).account.bad[0].reason == "there is no such file"


def test_the_account_has_every_file(plant):
    for label in ("a", "b"):
        root = plant(label, 15)
    (root / "a/003.png").write_bytes(b"")
    for name in ("a/IMG_1.HEIC", "b/notes.txt", ".DS_Store", "loose.png", "b/scan.dcm"):
        (root / name).write_bytes(b"x")
    account = open_folder_at(root).account
    assert account.found == sum(len(names) for _, _, names in os.walk(root)) == 35
    assert sum(account.used.values()) == 29
    assert {entry.path: entry.bad for entry in account.left_out} == {
        str(root / "a/003.png"): True,
        str(root / "a/IMG_1.HEIC"): True,
        str(root / "b/scan.dcm"): True,
        str(root / ".DS_Store"): False,
        str(root / "loose.png"): False,
    }
    assert account.unknown == (str(root / "b/notes.txt"),)
    with pytest.raises(BadImageError, match=r"3 of 32 images(.|\n)*it is HEIC"):
        open_folder_at(root, on_bad="fail")


def test_names_that_are_not_utf8_are_shown(plant):
    root = plant("b", 12)
    plant("temporary", 12)
    os.rename(root / "temporary", os.path.join(os.fsencode(root), "狗".encode("gbk")))
    source = open_folder_at(root)
    assert source.classes == ("b", r"\xb9\xb7")
    assert any(r"The name of the class folder \xb9\xb7 is not UTF-8" in note for note in source.notes)
    for images in source.splits.values():
        for i in range(len(images)):
            assert images.read(i).shape == (3, 12, 10)
            images.names(i).encode("utf-8")


def test_unicode_forms_of_one_name_are_one_class(plant):
    for split, name in (("train", "Ma\u0308dchen"), ("test", "M\u00e4dchen")):
        root = plant(f"{split}/{name}", 12)
        plant(f"{split}/other", 12)
    source = open_folder_at(root)
    assert source.classes == ("M\u00e4dchen", "other")
    assert source.counts()["test"] == (12, 12)
