"""Another source is scored whole, with the classes of the network matched by name."""

import numpy as np
import pytest

from regard.core.errors import DataError
from regard.data import open_for_scoring, open_source


@pytest.fixture
def hold(plant):
    for label in ("dog", "cat"):
        root = plant(label, 50)
    return f"folder:{root}"


def test_all_images_are_scored_by_class_name(hold):
    source = open_for_scoring(hold, ("wolf", "dog", "cat"))
    assert source.counts() == {"all": (0, 50, 50)}
    assert source.account.used == {"all": 100}
    whole = source.splits["all"]
    assert all(whole.names(i).startswith(source.classes[whole.labels[i]]) for i in range(100))


def test_four_images_and_one_class_are_enough(plant):
    root = plant("cat", 4)
    assert open_for_scoring(f"folder:{root}", ("cat", "dog")).counts() == {"all": (4, 0)}


def test_an_empty_class_folder_is_fine(plant):
    root = plant("cat", 4)
    (root / "dog").mkdir()
    assert len(open_for_scoring(f"folder:{root}", ("cat", "dog")).splits["all"]) == 4


def test_splits_of_its_own_are_there_too(plant):
    for split, count in (("train", 12), ("val", 2), ("test", 3)):
        for label in ("a", "b"):
            root = plant(f"{split}/{label}", count)
    source = open_for_scoring(f"folder:{root}", ("b", "a"))
    assert {split: len(p) for split, p in source.splits.items()} == {"all": 34, "train": 24, "val": 4, "test": 6}
    assert source.account.used == {"train": 24, "val": 4, "test": 6}


def test_classes_unknown_to_the_network_are_refused(hold):
    with pytest.raises(DataError, match=r"does not know: 'dog'.*Score the others alone with --classes cat"):
        open_for_scoring(hold, ("cat", "dogs"))
    source = open_for_scoring(hold, ("cat", "dogs"), classes=["cat"])
    assert source.counts() == {"all": (50, 0)}
    assert len(source.account.left_out) == 50


def test_training_source_is_recognised_under_another_name(hold):
    trained = open_source(hold)
    source = open_for_scoring(hold, ("cat", "dog"), fingerprint=trained.fingerprint)
    assert set(source.splits) == {"train", "val", "test"}
    assert source.fingerprint == trained.fingerprint
    assert set(open_for_scoring(hold, ("cat", "dog"), fingerprint="0").splits) == {"all"}


def test_groups_of_the_training_are_known_again(plant):
    for label in ("cat", "dog"):
        for n in range(6):
            root = plant(f"{label}/p{n}", 4)
    text, known = f"folder:{root}", ("cat", "dog")
    for groups in ("auto", "none", "folder"):
        trained = open_source(text, groups=groups)
        assert "all" not in open_for_scoring(text, known, groups=groups, fingerprint=trained.fingerprint).splits
    assert open_source(text, groups="none").fingerprint != trained.fingerprint
    plain = plant("../other/cat", 3)
    assert len(open_for_scoring(f"folder:{plain}/../other", known, groups="folder").splits["all"]) == 3


def test_a_lone_split_of_arrays(tmp_path, arrays):
    np.savez(tmp_path / "set.npz", x_test=arrays["x_test"], y_test=arrays["y_test"])
    source = open_for_scoring(f"npz:{tmp_path / 'set.npz'}", ("0", "1", "2", "3"))
    assert source.counts() == {"all": (3, 3, 3, 0), "test": (3, 3, 3, 0)}
    np.savez(tmp_path / "set.npz", **arrays)
    whole = open_for_scoring(f"npz:{tmp_path / 'set.npz'}", ("0", "1", "2")).splits["all"]
    assert (whole.names(0), whole.names(30)) == ("x_train[0]", "x_test[0]")
    np.testing.assert_array_equal(whole.read(31).permute(1, 2, 0), arrays["x_test"][1])


def test_several_classes_an_image_need_every_column(plant, tmp_path):
    root = plant("", 6)
    table = tmp_path / "labels.csv"
    table.write_text("file,dog,cat\n" + "\n".join(f"00{i}.png,{i % 2},1" for i in range(6)))
    source = open_for_scoring(f"folder:{root}", ("cat", "dog"), labels=table)
    assert source.splits["all"].labels.tolist() == [[1, i % 2] for i in range(6)]
    with pytest.raises(DataError, match="does not specify which images have the classes 'cow'"):
        open_for_scoring(f"folder:{root}", ("cat", "cow", "dog"), labels=table)


def test_nothing_to_score_is_refused(plant):
    root = plant("cat", 2)
    for path in root.glob("*/*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"no usable image in it\. The first because: .*the file is empty"):
        open_for_scoring(f"folder:{root}", ("cat", "dog"))
