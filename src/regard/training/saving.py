"""Full checkpoints at the ends of epochs, and what they must agree with to be resumed from."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint
from torch import nn

from regard.core.errors import CheckpointError
from regard.training.checkpoints import SETTINGS
from regard.training.weights import check_state, read_metadata

LAST = "last.safetensors"


@dataclass(frozen=True)
class Identity:
    """What a checkpoint belongs to: a run resumed with any other of these would not be the same run."""

    recipe: dict[str, Any]
    seed: int
    task: dict[str, Any]
    steps_per_epoch: int


@dataclass(frozen=True)
class Standing:
    """How far a checkpoint is."""

    epoch: int
    step: int


class Saving(Checkpoint):
    """Writes `last.safetensors` every `every` epochs and after the last; the one before stays until it is complete.

    Args:
        path: of the checkpoint.
        identity: what the checkpoint belongs to.
        every: epochs between two.
    """

    def __init__(self, path: Path, identity: Identity, every: int) -> None:
        self.path = path
        self.identity = identity
        self.every = every

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Saves, after all other callbacks have finished the epoch."""
        done = trainer.current_epoch + 1
        if done % self.every == 0 or done == trainer.max_epochs:
            trainer.save_checkpoint(self.path)

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Adds what it belongs to and how far it is."""
        standing = Standing(trainer.current_epoch + 1, trainer.global_step)
        shapes = {
            name.removeprefix("net."): list(tensor.shape)
            for name, tensor in checkpoint["state_dict"].items()
            if name.startswith("net.")
        }
        checkpoint[SETTINGS] = {"identity": asdict(self.identity), "standing": asdict(standing), "shapes": shapes}


def standing(path: Path, identity: Identity, net: nn.Module) -> Standing:
    """How far the checkpoint at `path` is, after checking that it can be resumed from.

    Raises:
        CheckpointError: it is damaged, or belongs to another run: lists what differs.
    """
    metadata = read_metadata(path)
    saved = metadata.get(SETTINGS)
    if metadata.get("kind") != "checkpoint" or not isinstance(saved, dict):
        raise CheckpointError(f"{path}: this is not the checkpoint of a training run, so none can be resumed from it.")
    try:
        shapes = {str(name): tuple(shape) for name, shape in saved["shapes"].items()}
        begun = Standing(**saved["standing"])
        differences = _differences(saved["identity"], asdict(identity))
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: its description is damaged ({error!r}), so the run cannot be resumed from it: begin a new one."
        ) from error
    if differences:
        raise CheckpointError(
            f"{path}: the run cannot be resumed with other settings: {'; '.join(differences)}. "
            "Give the settings that it began with, or begin a new run in another folder (--out)."
        )
    check_state(net, shapes, str(path))
    return begun


def _differences(saved: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """`name was X, is now Y` for each setting that differs."""
    was, now = _flat(saved), _flat(ours)
    return [
        f"{name} was {was.get(name)!r}, is now {now.get(name)!r}"
        for name in {**was, **now}
        if was.get(name) != now.get(name)
    ]


def _flat(identity: dict[str, Any]) -> dict[str, Any]:
    """Every setting by its own name."""
    task = dict(identity["task"])
    own = {"seed": identity["seed"], "steps_per_epoch": identity["steps_per_epoch"], "task": task.pop("name")}
    return own | identity["recipe"] | task.pop("options") | task
