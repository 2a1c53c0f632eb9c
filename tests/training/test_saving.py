"""Checkpoints are written at the set epochs, and are resumed only by their own run."""

import pytest

from regard.core import CheckpointError
from regard.core.tensor_files import read_metadata, read_tensors
from regard.training import Classification, Recipe, save_weights
from regard.training.saving import Identity, Position, read_position
from regard.training.weights import write_tensors
from tests.training.conftest import fit_bars as fit


@pytest.mark.parametrize(("every", "at", "saved"), [(1, 12, 2), (2, 12, 2), (3, 12, None), (2, 17, 2), (3, 17, 3)])
def test_a_checkpoint_every_so_many_epochs(every, at, saved, tmp_path, net, loader, stopping, classes):
    broken = stopping(loader(train=True), at, RuntimeError())
    with pytest.raises(RuntimeError):
        fit(
            net(),
            Recipe(epochs=5, save_every=every),
            broken,
            None,
            classes=classes,
            folder=tmp_path,
            seed=0,
            device="cpu",
            logs=False,
        )
    last = tmp_path / "last.safetensors"
    assert last.exists() == (saved is not None)
    if saved:
        assert read_metadata(last)["regard"]["standing"] == {"epoch": saved, "step": 5 * saved}


def test_the_last_epoch_is_always_saved(tmp_path, net, loader, classes):
    recipe = Recipe(epochs=3, save_every=2)
    fit(net(), recipe, loader(train=True), None, classes=classes, folder=tmp_path, seed=0, device="cpu", logs=False)
    task = Classification(classes).to_json()
    identity = Identity(recipe.to_json(), 0, task, 5)
    assert read_position(tmp_path / "last.safetensors", identity, net()) == Position(3, 15)
    for other, said in (
        (Identity(recipe.to_json(), 0, Classification("abc").to_json(), 5), r"classes was \['red'.*, is now \['a'"),
        (Identity(recipe.to_json(), 0, task, 6), "steps_per_epoch was 5, is now 6"),
        (Identity(recipe.to_json() | {"clip": 1.0}, 0, task, 5), r"clip was 0\.0, is now 1\.0"),
    ):
        with pytest.raises(CheckpointError, match=f"cannot be resumed with other settings: {said}"):
            read_position(tmp_path / "last.safetensors", other, net())


def test_weights_are_no_checkpoint(tmp_path, net, classes):
    save_weights(tmp_path / "w.safetensors", net(), {})
    with pytest.raises(CheckpointError, match="not the checkpoint of a training run"):
        read_position(tmp_path / "w.safetensors", Identity({}, 0, Classification(classes).to_json(), 1), net())


@pytest.mark.parametrize("fault", [{"identity": {}}, {"shapes": [1]}, {"standing": {"epoch": 1, "what": 2}}])
def test_a_checkpoint_with_a_damaged_description_is_refused(fault, tmp_path, net, loader, classes):
    recipe = Recipe(epochs=1)
    fit(net(), recipe, loader(train=True), None, classes=classes, folder=tmp_path, seed=0, device="cpu", logs=False)
    last = tmp_path / "last.safetensors"
    tensors, metadata = read_tensors(last)
    write_tensors(last, tensors, metadata | {"regard": metadata["regard"] | fault})
    with pytest.raises(CheckpointError, match="description is damaged"):
        read_position(last, Identity(recipe.to_json(), 0, Classification(classes).to_json(), 5), net())
