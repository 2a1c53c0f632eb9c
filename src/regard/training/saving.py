"""Full checkpoints after epochs, and the settings that must match to resume from one."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint
from torch import nn

from regard.core.errors import CheckpointError
from regard.core.tensor_files import read_metadata
from regard.training.checkpoints import SETTINGS
from regard.training.weights import check_state

LAST = "last.safetensors"


@dataclass(frozen=True)
class Identity:
    """The settings of a run that must be the same to resume it."""

    recipe: dict[str, Any]
    seed: int
    task: dict[str, Any]
    steps_per_epoch: int


@dataclass(frozen=True)
class Position:
    """The number of finished epochs and steps of a checkpoint."""

    epoch: int
    step: int


class Saving(Checkpoint):
    """Writes `last.safetensors` every `every` epochs and after the last, replacing the earlier one once complete.

    Args:
        path: path of the checkpoint.
        identity: settings of the run.
        every: number of epochs between two checkpoints.
    """

    def __init__(self, path: Path, identity: Identity, every: int) -> None:
        self.path = path
        self.identity = identity
        self.every = every

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Saves a checkpoint after all other callbacks have finished the epoch."""
        done = trainer.current_epoch + 1
        if done % self.every == 0 or done == trainer.max_epochs:
            trainer.save_checkpoint(self.path)

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Adds the settings of the run and the finished epochs to the checkpoint."""
        position = Position(trainer.current_epoch + 1, trainer.global_step)
        shapes = {
            name.removeprefix("net."): list(tensor.shape)
            for name, tensor in checkpoint["state_dict"].items()
            if name.startswith("net.")
        }
        checkpoint[SETTINGS] = {"identity": asdict(self.identity), "standing": asdict(position), "shapes": shapes}


def read_position(path: Path, identity: Identity, net: nn.Module) -> Position:
    """Returns the finished epochs of the checkpoint at `path`, after checking that it can be resumed.

    Raises:
        CheckpointError: it is damaged, or has other settings, which the message lists.
    """
    metadata = read_metadata(path)
    saved = metadata.get(SETTINGS)
    if metadata.get("kind") != "checkpoint" or not isinstance(saved, dict):
        raise CheckpointError(f"{path}: this is not the checkpoint of a training run, so it cannot be resumed from.")
    try:
        shapes = {str(name): tuple(shape) for name, shape in saved["shapes"].items()}
        position = Position(**saved["standing"])
        differences = _differences(saved["identity"], asdict(identity))
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: its description is damaged ({error!r}), so the run cannot be resumed from it: start a new run."
        ) from error
    if differences:
        raise CheckpointError(
            f"{path}: the run cannot be resumed with other settings: {'; '.join(differences)}. "
            "Use its original settings, or start a new run in another folder (--out)."
        )
    check_state(net, shapes, str(path))
    return position


def _differences(saved: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """Returns `name was X, is now Y` for each setting that differs."""
    was, now = _flatten(saved), _flatten(ours)
    return [
        f"{name} was {was.get(name)!r}, is now {now.get(name)!r}"
        for name in {**was, **now}
        if was.get(name) != now.get(name)
    ]


def _flatten(identity: dict[str, Any]) -> dict[str, Any]:
    """Returns all settings on one level."""
    task = dict(identity["task"])
    own = {"seed": identity["seed"], "steps_per_epoch": identity["steps_per_epoch"], "task": task.pop("name")}
    return own | identity["recipe"] | task.pop("options") | task
