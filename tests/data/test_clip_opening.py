import numpy as np
import pytest

from regard.core.errors import DataError, OptionError
from regard.data import open_clips, open_sound


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("clips:there", "no file or folder there"),
        ("clips:", "names no file"),
        ("clips:{0}:frames=-1", "frames=-1"),
        ("clips:{0}:sampling=some", "sampling='some'"),
        ("clips:{0}:fit=some", "fit='some'"),
        ("clips:{0}:rate=3", "no option 'rate'; there are frames"),
        ("clips:{0}/a.txt", "single file"),
    ],
)
def test_a_wrong_name_says_what_is_right(tmp_path, name, error):
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises((DataError, OptionError), match=error):
        open_clips(name.format(tmp_path))


def test_options_stand_behind_the_path(tmp_path):
    x = np.zeros((20, 3, 4, 4), np.uint8)
    x[:, 0, 0, 0] = np.arange(20)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.arange(20) % 2)
    source = open_clips(f"clips:{tmp_path / 'a.npz'}:frames=2,sampling=dense,stride=3")
    assert (source.options["frames"], source.options["sampling"], source.options["stride"]) == (2, "dense", 3)
    with pytest.raises(OptionError, match="on_bad"):
        open_clips(f"clips:{tmp_path / 'a.npz'}", on_bad="ignore")
    series = np.arange(40.0).reshape(20, 1, 2)
    np.savez(tmp_path / "b.npz", x_train=series, y_train=np.arange(20) % 2)
    assert open_sound(f"sound:{tmp_path / 'b.npz'}:bands=40,hop=5").options["mel"].hop == 5
