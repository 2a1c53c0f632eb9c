"""Groups: what belongs together is in one split, and where it is not it is said."""

import pytest
import torch

from regard.core.errors import DataError, OptionError
from regard.data import open_source
from regard.data.groups import group_by_folder


def open_folder_at(root, **options):
    return open_source(f"folder:{root}", **options)


def patients(source):
    """For each split the subfolders that its images lie in, without their classes."""
    return [{p.names(i).split("/")[-2] for i in range(len(p))} for p in source.splits.values()]


@pytest.fixture
def ward(plant):
    """Writes images of `count` patients of two classes; those of one name are one patient."""

    def write(count, images=4, inside=""):
        for label in ("ill", "well"):
            for n in range(count):
                root = plant(f"{label}/{inside}patient{n:02d}", images)
        return root

    return write


@pytest.mark.parametrize("inside", ["", "images/"])
def test_a_patient_is_in_one_split(ward, inside):
    source = open_folder_at(ward(10, inside=inside))
    train, val, test = patients(source)
    assert len(train) + len(val) + len(test) == len(train | val | test)
    assert len(train | val | test) == 10
    assert "10 subfolders inside the classes, such as 'patient00', are groups" in source.notes[0]
    assert "whole groups of 10" in source.notes[1]
    assert source.counts()["val"][0] > 0 < source.counts()["test"][1]


def test_the_seed_decides_about_groups(ward):
    root = ward(12)
    once, again, other = (patients(open_folder_at(root, seed=seed)) for seed in (0, 0, 1))
    assert once == again != other


def test_few_subfolders_are_no_groups_with_warning(ward):
    root = ward(4)
    source = open_folder_at(root)
    assert any("--groups folder" in said and "has only 4 of them" in said for said in source.warnings)
    assert open_folder_at(root, groups="none").warnings == tuple(w for w in source.warnings if "groups" not in w)
    train, val, test = patients(open_folder_at(root, groups="folder"))
    assert len(train) + len(val) + len(test) == len(train | val | test)


def test_one_subfolder_in_each_class_is_no_group(plant):
    for label in ("a", "b"):
        root = plant(f"{label}/images", 20)
    source = open_folder_at(root)
    assert source.warnings == ()
    assert len(source.notes) == 1


def test_groups_in_two_given_splits_are_warned(ward, plant, tmp_path):
    root = ward(6)
    (tmp_path / "set").mkdir()
    root.rename(tmp_path / "set/train")
    for label in ("ill", "well"):
        plant(f"{label}/patient03", 3)
        plant(f"{label}/new", 3)
    root.rename(tmp_path / "set/test")
    source = open_folder_at(tmp_path / "set")
    assert any(said.startswith("1 group is both in ") and "and in 'test'" in said for said in source.warnings)


def test_refused(plant):
    for label in ("a", "b"):
        root = plant(label, 12)
    with pytest.raises(DataError, match="has no subfolders inside its classes"):
        open_folder_at(root, groups="folder")
    with pytest.raises(OptionError, match="names a column, but there is no table"):
        open_folder_at(root, groups="patient")
    with pytest.raises(OptionError, match="goes with folder:PATH only"):
        open_source("fashion-mini", groups="none")


def test_too_few_groups_to_cut_from(plant):
    for label in ("a", "b"):
        root = plant(f"{label}/only", 12)
    with pytest.raises(DataError, match=r"too few groups \(1\)"):
        open_folder_at(root, groups="folder")


def test_loose_images_are_groups_of_their_own():
    below = [("p1",), ("p1",), (), ("p2",), ()]
    grouping = group_by_folder("x", below, torch.zeros(5, dtype=torch.int64), choice="folder", cut=True)
    assert grouping.groups == ("p1", "p1", "/2", "p2", "/4")
