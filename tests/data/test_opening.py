"""Sources by their names: what is misspelt is answered with what is near."""

import pytest

from regard.core.errors import DataError, OptionError, UnknownNameError
from regard.data import open_source


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("fashion-mni", "'fashion-mini'"),
        ("Fashion-Mini", "'fashion-mini'"),
        ("foldr:photos", "'folder'"),
        ("npy:set.npz", "'npz'"),
        ("torch-vision:CIFAR10", "'torchvision'"),
    ],
)
def test_a_misspelt_name(text, near):
    with pytest.raises(UnknownNameError, match=f"Did you mean {near}"):
        open_source(text)


def test_a_name_that_is_near_nothing_lists_all():
    with pytest.raises(UnknownNameError, match="fashion-mini, folder, mnist-mini, npz, torchvision"):
        open_source("hf:xyz")


def test_a_path_without_its_kind(tmp_path):
    with pytest.raises(DataError, match=f"write folder:{tmp_path}"):
        open_source(str(tmp_path))
    (tmp_path / "set.npz").touch()
    with pytest.raises(DataError, match="write npz:"):
        open_source(str(tmp_path / "set.npz"))


@pytest.mark.parametrize("text", ["folder:", "npz: ", "torchvision:"])
def test_a_kind_without_its_path(text):
    with pytest.raises(DataError, match="after the colon"):
        open_source(text)


def test_nothing_at_all():
    with pytest.raises(UnknownNameError, match="no source named ''"):
        open_source("  ")


def test_options_are_checked():
    with pytest.raises(OptionError, match="on_bad='ignore'"):
        open_source("fashion-mini", on_bad="ignore")
    with pytest.raises(OptionError, match="max_pixels=0"):
        open_source("fashion-mini", max_pixels=0)


def test_seed_does_not_change_given_splits():
    assert open_source("mnist-mini", seed=0).fingerprint == open_source(" mnist-mini ", seed=1).fingerprint
