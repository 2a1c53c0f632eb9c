import numpy as np
import pytest
import torch

from regard.core.errors import DataError
from regard.data import open_clips, open_sound

LABELS = np.arange(20) % 2


@pytest.fixture
def write(tmp_path):
    def write(**arrays):
        np.savez(tmp_path / "a.npz", **arrays)
        return tmp_path / "a.npz"

    return write


def series(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(20, 3, 9)).astype(np.float32), rng.integers(2, 10, 20)


def test_dense_and_joined_series_are_the_same(write):
    x, lengths = series()
    dense = open_sound(f"sound:{write(x_train=x, y_train=LABELS, lengths_train=lengths)}")
    joined = np.concatenate([one[:, :length].T for one, length in zip(x, lengths, strict=True)])
    other = open_sound(f"sound:{write(x_train=joined, y_train=LABELS, lengths_train=lengths)}")
    assert dense.fingerprint == other.fingerprint
    train = dense.splits["train"]
    for index in range(len(train)):
        number = int(train.names(index)[8:-1])
        assert torch.equal(train.read(index), torch.from_numpy(x[number, :, : lengths[number]]))


def test_padding_may_hold_anything(write):
    x, lengths = series()
    padded = np.where(np.arange(9) < lengths[:, None, None], x, np.nan)
    assert len(open_sound(f"sound:{write(x_train=padded, y_train=LABELS, lengths_train=lengths)}").splits["train"])
    with pytest.raises(DataError, match="NaN or infinite"):
        open_sound(f"sound:{write(x_train=padded, y_train=LABELS)}")


def test_clips_have_channels_or_none(write):
    x = np.random.default_rng(0).integers(0, 256, (20, 3, 4, 5, 6)).astype(np.uint8)
    assert open_clips(f"clips:{write(x_train=x, y_train=LABELS)}").channels == 3
    grey = open_clips(f"clips:{write(x_train=x[:, 0], y_train=LABELS)}")
    frames = np.concatenate(list(x[:, 0]))
    lengths = np.full(20, 4)
    joined = open_clips(f"clips:{write(x_train=frames, y_train=LABELS, lengths_train=lengths)}")
    assert grey.fingerprint == joined.fingerprint
    assert grey.splits["train"].read(0).shape == (1, 4, 5, 6)


def test_tensors_are_read_and_nothing_else(tmp_path):
    x, lengths = series()
    held = {"x_train": torch.from_numpy(x), "y_train": torch.from_numpy(LABELS), "classes": ["no", "yes"]}
    torch.save({**held, "lengths_train": torch.from_numpy(lengths)}, tmp_path / "a.pt")
    assert open_sound(f"sound:{tmp_path / 'a.pt'}").classes == ("no", "yes")
    torch.save({**held, "classes": print}, tmp_path / "b.pt")
    with pytest.raises(DataError, match=r"b\.pt holds more than tensors"):
        open_sound(f"sound:{tmp_path / 'b.pt'}")
    torch.save(held["x_train"], tmp_path / "c.pt")
    with pytest.raises(DataError, match="not a dictionary"):
        open_sound(f"sound:{tmp_path / 'c.pt'}")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"lengths_train": np.full(20, 10)}, r"lengths_train\[0\] is 10, but x_train has only 9"),
        ({"lengths_train": np.zeros(20, int)}, "at least 1"),
        ({"lengths_train": np.ones(3, int)}, "each of the 20 labels"),
        ({"x_train": np.zeros((20, 9), np.float32)}, r"must be numbers of shape \(n, c, t\)"),
        ({"x_train": np.zeros((3, 3, 9), np.float32)}, "3 sounds but y_train has 20"),
        ({"x_train": np.full((20, 3, 9), "a")}, "must be numbers"),
        ({"y_train": np.zeros((20, 3)) > 1}, "labels must be"),
    ],
)
def test_arrays_that_do_not_fit_are_named(write, change, error):
    with pytest.raises(DataError, match=error):
        open_sound(f"sound:{write(**{'x_train': series()[0], 'y_train': LABELS} | change)}")


def test_series_over_the_limit_are_left_out(write):
    x, lengths = series()
    lengths[3] = 9
    path = write(x_train=x, y_train=LABELS, lengths_train=lengths)
    source = open_sound(f"sound:{path}:limit=8")
    assert "x_train[3]: it has 9 steps, over the limit of 8" in {
        str(e).removesuffix(" (limit=)") for e in source.account.bad
    }
    with pytest.raises(DataError, match="over the limit"):
        open_sound(f"sound:{path}:limit=8", on_bad="fail")


def test_splits_need_frames_of_one_shape(write):
    x, _ = series()
    with pytest.raises(DataError, match=r"x_train \(3,\), x_test \(2,\)"):
        open_sound(f"sound:{write(x_train=x, y_train=LABELS, x_test=x[:, :2], y_test=LABELS)}")
