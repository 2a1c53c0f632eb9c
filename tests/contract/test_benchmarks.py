"""The run files of the benchmarks name settings, networks and data that exist."""

import pytest
import torch

from benchmarks.ram.__main__ import HERE, ROWS, settings_of
from benchmarks.sequences import decode_step, memory
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


def test_the_memory_of_training_is_measured():
    found = memory.measure("additive", 8, 8, 4, "cpu")
    assert found["all_pairs_mib"] == pytest.approx(4 * 8 * 8 * 4 / 2**20, abs=0.1)
    assert found["peak_mib"] >= 0


def test_a_decode_step_is_timed_against_bare_operations():
    torch.manual_seed(0)
    inference, training = decode_step.measure(2, 4, 8, "cpu", rounds=1)
    assert (inference["what"], training["what"]) == ("inference", "training")
    assert inference["ratio"] > 0
