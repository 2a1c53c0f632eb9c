"""Load a trained network from its file, with its weights, classes and preprocessing."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from regard import models
from regard.core.errors import CheckpointError, RegardError, RunError
from regard.core.run_record import RunRecord
from regard.core.seeding import use_seed
from regard.data import Preprocessing
from regard.recipes.insertion import insert, without_attention
from regard.recipes.run_folder import CHECKPOINT, SETTINGS, WEIGHTS
from regard.training import load_weights

if TYPE_CHECKING:
    from regard.training.tasks import Task

_PIXELS = 3_000_000


@dataclass(frozen=True, eq=False)
class Loaded:
    """A trained network, ready to use.

    Attributes:
        net: in evaluation mode, on the CPU.
        record: description of the run that trained it: network, input, task, data.
        metadata: the metadata of the file: record, recipe, seed, history ...
        preprocessing: preprocessing of an image.
        path: path of the weights file.
    """

    net: nn.Module
    record: RunRecord
    metadata: dict[str, Any]
    preprocessing: Preprocessing
    path: Path

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the outputs."""
        return self.record.task.classes

    @property
    def multi_label(self) -> bool:
        """True if an image may have several classes."""
        return bool(self.record.task.options.get("multi_label"))

    @property
    def name(self) -> str:
        """The network's name with its attention, for people."""
        return str(self.record.network)

    def task(self) -> "Task[Any, Any]":
        """Returns the task that it was trained for."""
        from regard.training.tasks.named import named_task

        return named_task(self.record.task, str(self.path))


def build_network(record: RunRecord, preprocessing: Preprocessing, *, seed: int, recompute: bool = False) -> nn.Module:
    """Builds the network of a record, with one output for each of its classes.

    Args:
        record: description of the run.
        preprocessing: preprocessing of the record's input.
        seed: random seed of the initial values.
        recompute: see `models.create`.
    """
    network = record.network if record.attention is None else without_attention(record.network)
    options: dict[str, Any] = {
        "num_classes": len(record.task.classes),
        "in_channels": preprocessing.channels,
        "recompute": recompute,
        **network.options,
    }
    net = models.create(network.name, seed=seed, **options)
    return net if record.attention is None else insert(net, record.attention, "the record of the run")


def load_network(run: str | Path) -> Loaded:
    """Loads the network of a run's folder or of a weights file.

    Args:
        run: a folder with `weights.safetensors`, or such a file.

    Raises:
        RunError: a folder without weights.
        CheckpointError: a file that is damaged, a pickle, not regard's, or of a network that cannot be built.
    """
    path = weights_path(run)
    state, metadata = load_weights(path)
    record = RunRecord.from_json(metadata.get("run"), f"{path}: its record of the run")
    if record.input.kind != "image":
        raise RunError(f"{path} holds a network that takes {record.input.kind}, and this needs one that takes images.")
    if record.task.name == "sequences":
        raise RunError(f"{path} holds a network that writes about images, and this needs one that classifies them.")
    try:
        preprocessing = Preprocessing.from_json(record.input.options)
        with use_seed(0):
            net = build_network(record, preprocessing, seed=0)
    except (TypeError, ValueError, RegardError) as error:
        raise CheckpointError(
            f"{path}: its record of the run describes no network that can be built ({error}): it was written by "
            f"another version of regard ({metadata.get('regard', 'unknown')}) or by another program. Train again with "
            "this version, or read it with the version that wrote it."
        ) from error
    try:
        models.load_state(net, state)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return Loaded(net.eval(), record, metadata, preprocessing, path)


def weights_path(run: str | Path) -> Path:
    """Returns the weights file of a run's folder, or the file itself."""
    path = Path(run).expanduser()
    if not path.exists():
        raise RunError(f"There is no run or weights file {run}: name the folder of a training run.")
    if not path.is_dir():
        return path
    if (path / WEIGHTS).is_file():
        return path / WEIGHTS
    if (path / CHECKPOINT).is_file() or (path / SETTINGS).is_file():
        raise RunError(f"{path} is a training run that is not finished: finish it with `regard train --resume {path}`.")
    if (path / "trials").is_dir():
        raise RunError(f"{path} is a comparison: name the folder of one trial in it, {path}/trials/ARM/seed0.")
    raise RunError(f"{path} contains no {WEIGHTS}: name the folder of a finished training run, or a weights file.")


def batch_size_for(preprocessing: Preprocessing) -> int:
    """Returns a batch size for inference: at most 256, fewer for large images."""
    height, width = preprocessing.size
    return max(1, min(256, _PIXELS // (height * width * preprocessing.channels)))
