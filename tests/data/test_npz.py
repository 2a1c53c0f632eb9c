"""npz sources: what is read, what is refused and how."""

import pickle

import numpy as np
import pytest
import torch

from regard.core.errors import DataError
from regard.data import open_source


@pytest.fixture
def opened(tmp_path):
    def write(arrays, **options):
        np.savez(tmp_path / "set.npz", **{k: v for k, v in arrays.items() if v is not None})
        return open_source(f"npz:{tmp_path / 'set.npz'}", **options)

    return write


def test_colour_and_grey_with_optional_channel_axis(opened, arrays):
    source = opened(arrays)
    assert source.channels == 3
    assert source.classes == ("0", "1", "2")
    test = source.splits["test"]
    np.testing.assert_array_equal(test.read(4).permute(1, 2, 0), arrays["x_test"][4])
    assert test.labels.dtype == torch.int64
    assert test.names(4) == "x_test[4]"
    for grey in (lambda x: x[..., 0], lambda x: x[..., :1]):
        source = opened(arrays | {k: grey(arrays[k]) for k in ("x_train", "x_test")})
        assert source.channels == 1
        np.testing.assert_array_equal(source.splits["test"].read(4)[0], arrays["x_test"][4, ..., 0])


def test_validation_is_cut_from_training_by_the_seed(opened, arrays):
    one, same, other = (opened(arrays, seed=seed) for seed in (0, 0, 1))
    assert {k: len(v) for k, v in one.splits.items()} == {"train": 24, "val": 6, "test": 9}
    assert one.counts()["val"] == (2, 2, 2)
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert one.notes == opened(arrays).notes != ()


def test_validation_and_class_names_of_its_own(opened, arrays):
    own = {"x_val": arrays["x_test"][::-1], "y_val": arrays["y_test"][::-1], "classes": np.array(["a", "b", "c"])}
    source = opened(arrays | own)
    assert source.classes == ("a", "b", "c")
    assert source.counts()["val"] == (3, 3, 3)
    assert source.notes == ()


def test_labels_as_column_one_hot_or_multi_label(opened, arrays):
    column = opened(arrays | {"y_train": arrays["y_train"][:, None], "y_test": arrays["y_test"][:, None]})
    one_hot = opened(arrays | {"y_train": np.eye(3)[arrays["y_train"]], "y_test": np.eye(3)[arrays["y_test"]]})
    assert column.fingerprint == one_hot.fingerprint == opened(arrays).fingerprint
    several = np.eye(3)[arrays["y_train"]]
    several[0] = 1
    source = opened(arrays | {"y_train": several, "y_test": np.eye(3)[arrays["y_test"]]})
    assert source.multi_label
    assert source.splits["train"].labels.dtype == torch.float32
    assert source.splits["test"].labels.tolist() == np.eye(3)[arrays["y_test"]].tolist()


def wrong(**changes):
    return lambda arrays: arrays | {k: v(arrays) if callable(v) else v for k, v in changes.items()}


REFUSED = {
    "an image array is missing": (wrong(x_train=None), "has no x_train"),
    "labels are missing": (wrong(y_test=None), "has x_test but no y_test"),
    "pixels are floating point": (wrong(x_train=lambda a: a["x_train"] / 255), "float64; images must be uint8"),
    "channels first": (wrong(x_train=lambda a: a["x_train"].transpose(0, 3, 1, 2)), r"transpose\(0, 2, 3, 1\)"),
    "too few axes": (wrong(x_train=lambda a: a["x_train"][0, 0]), r"shape \(5, 3\); it must be \(n, h, w\)"),
    "no images": (wrong(x_test=lambda a: a["x_test"][:0], y_test=lambda a: a["y_test"][:0]), "no image"),
    "two sizes": (wrong(x_test=lambda a: a["x_test"][:, :4]), r"4 x 5 with 3 channels but those in x_train are 6 x 5"),
    "labels too few": (wrong(y_train=lambda a: a["y_train"][:-1]), "30 images but y_train has 29 labels"),
    "labels floating point": (wrong(y_train=lambda a: a["y_train"] * 1.0), "dtype float64; labels must be whole"),
    "labels are words in one split": (wrong(y_train=lambda a: a["y_train"].astype(str)), "dtype <U21; labels must be"),
    "a word that is no class": (
        wrong(
            y_train=lambda a: a["y_train"].astype(str),
            y_test=lambda a: a["y_test"].astype(str),
            classes=np.array(["0"]),
        ),
        "the label '1', which is not in classes",
    ),
    "a negative label": (wrong(y_train=lambda a: a["y_train"] - 1), "y_train has the label -1"),
    "a label past the names": (wrong(classes=np.array(["a", "b"])), "y_train has the label 2, but there are 2 names"),
    "a label no training image has": (wrong(y_test=lambda a: a["y_test"] + 1), "y_test has the label 3"),
    "an absurd label": (wrong(y_train=lambda a: a["y_train"].astype(np.uint64) + 2**63), "the label 9223372"),
    "labels from 1": (
        wrong(y_train=lambda a: a["y_train"] + 1, y_test=lambda a: a["y_test"] + 1),
        r"no usable training image has the class '0'",
    ),
    "one class": (wrong(y_train=lambda a: a["y_train"] * 0, y_test=lambda a: a["y_test"] * 0), "one class only"),
    "columns that are not 0 and 1": (wrong(y_train=lambda a: np.full((30, 3), 2)), "not only 0 and 1"),
    "columns and numbers": (wrong(y_train=lambda a: np.ones((30, 3))), "do not go together"),
    "labels of three axes": (wrong(y_train=lambda a: np.ones((30, 3, 3), int)), "labels must be"),
    "class names are numbers": (wrong(classes=np.arange(3)), "must be a list of names"),
    "a class name twice": (wrong(classes=np.array(["a", "b", "a"])), "a name twice"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_by_name(opened, arrays, tmp_path, what):
    change, message = REFUSED[what]
    with pytest.raises(DataError, match=message) as error:
        opened(change(arrays))
    assert str(tmp_path / "set.npz") in str(error.value)


def test_pickled_objects_are_refused_and_never_executed(opened, arrays, tmp_path):
    class Malicious:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    with pytest.raises(DataError, match=r"pickled Python objects \(the array 'y_train'\)"):
        opened(arrays | {"y_train": np.array([Malicious()] * 30, dtype=object)})
    (tmp_path / "bare.npz").write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(DataError, match="is not an npz file"):
        open_source(f"npz:{tmp_path / 'bare.npz'}")
    assert not (tmp_path / "executed").exists()


def test_files_that_are_no_npz(opened, arrays, tmp_path):
    opened(arrays)
    whole = (tmp_path / "set.npz").read_bytes()
    np.save(tmp_path / "array.npy", arrays["x_train"])
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.npz").touch()
    (tmp_path / "prefixed.npz").write_bytes(b"before" + whole)
    with pytest.raises(DataError, match=r"prefixed\.npz holds pickled Python objects \(its start\)"):
        open_source(f"npz:{tmp_path / 'prefixed.npz'}")
    for name in ("array.npy", "cut.npz", "empty.npz"):
        with pytest.raises(DataError, match=f"{name} is not an npz file"):
            open_source(f"npz:{tmp_path / name}")
    with pytest.raises(DataError, match=r"is a folder, not an npz file: .* folder:"):
        open_source(f"npz:{tmp_path}")
    with pytest.raises(DataError, match="There is no file"):
        open_source(f"npz:{tmp_path / 'absent.npz'}")


def test_a_damaged_member_is_refused(opened, arrays, tmp_path):
    opened(arrays)
    path = tmp_path / "set.npz"
    data = bytearray(path.read_bytes())
    data[300:400] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(DataError, match="cannot be read"):
        open_source(f"npz:{path}")


@pytest.mark.parametrize("kind", ["U", "S"])
def test_labels_may_be_the_names_of_classes(opened, arrays, kind):
    names = np.array(["bee", "ant", "cat"]).astype(kind)
    source = opened(arrays | {key: names[arrays[key]] for key in ("y_train", "y_test")})
    assert source.classes == ("ant", "bee", "cat")
    expected = np.array([1, 0, 2])[arrays["y_test"]]
    assert source.splits["test"].labels.tolist() == expected.tolist()
    given = opened(
        arrays
        | {key: names[arrays[key]] for key in ("y_train", "y_test")}
        | {"classes": np.array(["cat", "bee", "ant"])}
    )
    assert given.classes == ("cat", "bee", "ant")
    assert given.splits["test"].labels.tolist() == np.array([1, 2, 0])[arrays["y_test"]].tolist()


def test_numbers_as_words_keep_their_order(opened, arrays):
    words = np.array(["2", "10", "1"])
    source = opened(arrays | {key: words[arrays[key]] for key in ("y_train", "y_test")})
    assert source.classes == ("1", "2", "10")


def test_the_names_of_medmnist_and_unknown_arrays(opened, arrays):
    renamed = {
        "train_images": arrays["x_train"],
        "train_labels": arrays["y_train"][:, None],
        "val_images": arrays["x_test"][::-1],
        "val_labels": arrays["y_test"][::-1, None],
        "test_images": arrays["x_test"],
        "test_labels": arrays["y_test"][:, None],
        "info": np.arange(3),
    }
    own = {"x_val": arrays["x_test"][::-1], "y_val": arrays["y_test"][::-1]}
    source = opened(renamed)
    assert source.fingerprint == opened(arrays | own).fingerprint
    assert source.notes[0].endswith("has arrays that regard does not use: info.")
    assert source.account.found == sum(source.account.used.values()) == 48
