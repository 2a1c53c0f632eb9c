"""The run files of the benchmarks name settings, networks and data that exist."""

import pytest

from benchmarks.ram.__main__ import HERE, ROWS, settings_of
from regard import models
from regard.data.cluttered import _read


def test_every_run_file_is_a_row():
    assert sorted(path.stem for path in HERE.glob("*.yaml")) == sorted(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_a_recipe_and_a_network(row):
    settings = settings_of(row, "/there/mnist.npz", quick=False, epochs=None)
    net = models.create(settings["model"], num_classes=10, in_channels=1, seed=0)
    assert models.is_looker(settings["model"])
    assert net.glimpses == 6
    if net.policy.spread == "scheduled":
        assert net.policy.epochs == settings["recipe"].epochs, "the standard deviation falls over the whole training"
    inner = settings["data"].removeprefix("cluttered:")
    assert inner == settings["data"] or _read(inner)[0] == "npz:/there/mnist.npz"


@pytest.mark.parametrize("row", ROWS)
def test_the_quick_form_uses_what_ships(row):
    settings = settings_of(row, "", quick=True, epochs=None)
    assert "mnist-mini" in settings["data"]
    assert settings["recipe"].epochs == 4
    assert "std_epochs=240" not in settings["model"]
