import numpy as np
import pytest

from regard.core.errors import DataError
from regard.data import open_sound, open_sound_to_score
from regard.data.clip_preprocessing import clip_preprocessing_for


@pytest.fixture
def path(tmp_path):
    def write(name="a", count=30, classes=("a", "b", "c"), **more):
        x = np.random.default_rng(count).normal(size=(count, 2, 4))
        labels = np.array(classes)[np.arange(count) % len(classes)]
        np.savez(tmp_path / f"{name}.npz", x_train=x, y_train=labels, **more)
        return f"sound:{tmp_path / f'{name}.npz'}"

    return write


def test_missing_splits_are_cut_by_the_seed(path):
    one, same, other = (open_sound(path(), seed=seed) for seed in (0, 0, 1))
    assert {split: len(clips) for split, clips in one.splits.items()} == {"train": 18, "val": 6, "test": 6}
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert one.counts()["val"] == (2, 2, 2)
    assert "Cut from the training sounds" in one.notes[0]


def test_the_training_source_is_known_by_its_fingerprint(path):
    source = open_sound(path(), seed=3)
    preprocessing = clip_preprocessing_for(source)
    own = open_sound_to_score(path(), source.classes, preprocessing, fingerprint=source.fingerprint, seed=3)
    assert set(own.splits) == {"train", "val", "test"}
    other = open_sound_to_score(path("b", 12), source.classes, preprocessing, fingerprint=source.fingerprint)
    assert {split: len(clips) for split, clips in other.splits.items()} == {"all": 12, "train": 12}


def test_classes_are_matched_by_name(path):
    source = open_sound(path())
    few = open_sound_to_score(path("b", 8, ("c", "b")), source.classes, clip_preprocessing_for(source))
    assert few.splits["all"].labels.tolist() == [2, 1] * 4
    with pytest.raises(DataError, match="'d'"):
        open_sound_to_score(path("c", 8, ("a", "d")), source.classes, clip_preprocessing_for(source))


def test_what_cannot_be_trained_on_is_said(path):
    with pytest.raises(DataError, match="one class only"):
        open_sound(path(classes=("a",)))
    with pytest.raises(DataError, match="too few usable training sounds"):
        open_sound(path(count=3))
    with pytest.raises(DataError, match="no usable training sound has the class 'b'"):
        open_sound(_gap(path))


def _gap(path):
    name = path(count=12, classes=("a", "c"))
    file = name.removeprefix("sound:")
    held = dict(np.load(file))
    np.savez(file, **held, classes=np.array(["a", "b", "c"]))
    return name


def test_equal_sounds_in_two_splits_are_warned_of(path):
    x = np.random.default_rng(30).normal(size=(30, 2, 4))
    labels = np.array(("a", "b", "c"))[np.arange(30) % 3]
    source = open_sound(path(x_test=x[:2], y_test=labels[:2]))
    assert any("both in" in warning for warning in source.warnings)
    assert any("no sound of 'c'" in warning for warning in source.warnings)
