"""Full checkpoints contain no pickle, and only full checkpoints are read as such."""

from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from regard.core import CheckpointError, RunError
from regard.training import Recipe, load_weights
from regard.training.checkpoints import SafetensorsIO
from tests.training.conftest import fit_bars as fit


@pytest.fixture
def run(tmp_path, net, loader, classes) -> Path:
    options = {"classes": classes, "folder": tmp_path / "run", "seed": 0, "device": "cpu", "logs": False}
    fit(net(), Recipe(epochs=1, ema=0.9), loader(train=True), loader(train=False), **options)
    return tmp_path / "run"


def test_a_checkpoint_is_safetensors_and_json_only(run):
    with safe_open(run / "last.safetensors", "pt") as file:
        names = set(file.keys())
    assert {"state_dict/net.0.weight", "current_model_state/net.0.weight"} <= names
    checkpoint = SafetensorsIO().load_checkpoint(run / "last.safetensors")
    assert checkpoint["global_step"] == 5
    assert set(checkpoint["optimizer_states"][0]["state"]) == set(
        range(len(checkpoint["optimizer_states"][0]["state"]))
    )


def test_weights_and_checkpoints_are_not_interchangeable(run):
    with pytest.raises(CheckpointError, match="without the state of their training"):
        SafetensorsIO().load_checkpoint(run / "weights.safetensors")
    with pytest.raises(CheckpointError, match=r"finish the run with `regard train --resume .*run`"):
        load_weights(run / "last.safetensors")


def test_a_checkpoint_can_be_removed(run):
    SafetensorsIO().remove_checkpoint(run / "last.safetensors")
    assert not (run / "last.safetensors").exists()


class Filling:
    """A loader at whose second epoch the disk fills up."""

    def __init__(self, loader, limit):
        self.loader, self.limit, self.epochs, self.limits = loader, limit, 0, ExitStack()

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        self.epochs += 1
        if self.epochs == 2:
            self.limits.enter_context(self.limit)
        yield from self.loader


@pytest.mark.parametrize("limit", [3000, 200])
def test_a_disk_that_fills_up_during_a_run(limit, tmp_path, net, loader, classes, same, file_limit):
    """A full disk stops the checkpoint or the logs: the earlier checkpoint is intact, and the run can be resumed."""
    run, recipe, options = tmp_path / "run", Recipe(epochs=3, lr=0.05), {"classes": classes, "seed": 3, "device": "cpu"}
    filling = Filling(loader(train=True), file_limit(limit))
    with filling.limits, pytest.raises(RunError, match=r"could not be written: .*File too large.*--resume"):
        fit(net(), recipe, filling, None, folder=run, **options)
    assert not list(run.glob(".*"))
    whole, resumed = net(), net()
    fit(whole, recipe, loader(train=True), None, folder=tmp_path / "whole", **options)
    found = fit(resumed, recipe, loader(train=True), None, folder=run, resume=True, **options)
    assert same(whole, resumed)
    assert found.epochs == 3
    assert (run / "steps.csv").read_bytes() == (tmp_path / "whole/steps.csv").read_bytes()


def test_a_damaged_checkpoint_is_refused(run, net, loader, classes):
    path = run / "last.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=r"last\.safetensors: the file is truncated"):
        fit(
            net(),
            Recipe(epochs=1, ema=0.9),
            loader(train=True),
            None,
            classes=classes,
            folder=run,
            seed=0,
            device="cpu",
            resume=True,
        )
    torch.save({"state_dict": {}}, path)
    with pytest.raises(CheckpointError, match="this is a pickle"):
        fit(
            net(),
            Recipe(epochs=1, ema=0.9),
            loader(train=True),
            None,
            classes=classes,
            folder=run,
            seed=0,
            device="cpu",
            resume=True,
        )
