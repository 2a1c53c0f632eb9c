"""Splits or classes: decided by names and by what is inside, said, and overridden."""

import pytest

from regard.core.errors import DataError, OptionError
from regard.data import open_for_scoring, open_source


def open_folder_at(root, **options):
    return open_source(f"folder:{root}", **options)


def plant_folders(plant, *folders, count=12):
    for folder in folders:
        root = plant(folder, count)
    return root


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("training", "dev", "testing"),
        ("Train", "eval", "Test"),
        ("train", "valid", "evaluation"),
        ("train", "dev", "eval"),
    ],
)
def test_usual_names_of_splits(plant, train, val, test):
    for split, count in ((train, 12), (val, 2), (test, 3)):
        root = plant_folders(plant, f"{split}/a", f"{split}/b", count=count)
    source = open_folder_at(root)
    assert source.counts() == {"train": (12, 12), "val": (2, 2), "test": (3, 3)}
    assert source.notes[0].startswith("Folders are read as splits: ")
    assert (f"{val} as val" in source.notes[0]) == (val not in ("val", "valid"))


def test_folders_beside_the_splits_are_named(plant):
    root = plant_folders(plant, "train/a", "train/b", "test/a", "test/b", "extra/a")
    source = open_folder_at(root)
    assert any(
        "'extra' with 12 images is left out: it lies beside the split folders train and test" in n for n in source.notes
    )
    assert source.account.found == 60
    assert len(source.account.left_out) == 12
    assert open_folder_at(root, splits="none", groups="none").classes == ("extra", "test", "train")


def test_a_class_that_is_called_train(plant):
    source = open_folder_at(plant_folders(plant, "train", "car", "bus"))
    assert source.classes == ("bus", "car", "train")
    assert "'train' is read as a class, as it has images directly in it" in source.notes[0]


def test_class_called_test_with_subfolders_is_ambiguous(plant):
    root = plant_folders(plant, "test/a", "test/b", "blood", "urine")
    with pytest.raises(DataError, match=r"--splits none, if 'test' is a split --splits test=test"):
        open_folder_at(root)
    assert open_folder_at(root, splits="none").classes == ("blood", "test", "urine")
    assert open_folder_at(root, classes=["test", "blood"]).classes == ("blood", "test")


def test_a_test_folder_without_classes_is_left_out(plant):
    source = open_folder_at(plant_folders(plant, "train/a", "train/b", "test"))
    assert source.account.used == {"train": 16, "val": 4, "test": 4}
    assert any("its split has no class folders" in note for note in source.notes)


def test_splits_of_other_names(plant):
    root = plant_folders(plant, "learn/a", "learn/b", "hold/a", "hold/b", "rest/a")
    source = open_folder_at(root, splits="train=learn,test=hold")
    assert source.account.used == {"train": 20, "val": 4, "test": 24}
    assert len(source.account.left_out) == 12
    for text, said in {
        "train=absent": "has no folder 'absent'",
        "test=hold": "names no folder to train on",
    }.items():
        with pytest.raises(DataError, match=said):
            open_folder_at(root, splits=text)
    assert open_folder_at(root, splits="auto").classes == ("hold", "learn", "rest")
    for text in ("folder", "a=b", "train=", "train=a,train=b"):
        with pytest.raises(OptionError, match="it must be none, or SPLIT=FOLDER"):
            open_folder_at(root, splits=text)


def test_only_the_classes_that_are_named(plant):
    root = plant_folders(plant, "train/a", "train/b", "train/c", "test/a", "test/b", "test/c")
    source = open_folder_at(root, classes=["c", "a"])
    assert source.classes == ("a", "c")
    assert len(source.account.reasons()["left out, its class is none of those named with --classes"]) == 24
    with pytest.raises(DataError, match="has no such class"):
        open_folder_at(root, classes=["a", "z"])


def test_loose_images_are_left_out_and_counted(plant):
    root = plant_folders(plant, "", "a", "b", "deep/er")
    source = open_folder_at(root)
    assert source.classes == ("a", "b", "deep")
    assert len(source.account.reasons()["left out, it lies in no class folder"]) == 12


def test_single_split_can_only_be_scored(plant):
    root = plant_folders(plant, "test/a", "test/b", count=2)
    source = open_for_scoring(f"folder:{root}", ("a", "b", "c"))
    assert {split: len(images) for split, images in source.splits.items()} == {"all": 4, "test": 4}
    with pytest.raises(DataError, match="no folder train"):
        open_folder_at(root)
