"""A trained network from its file: built as it was, with its weights, its classes and its preprocessing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from regard import models
from regard.core.errors import CheckpointError, RegardError, RunError
from regard.core.seeding import seeded
from regard.data import Preprocessing
from regard.recipes.run_folder import CHECKPOINT, SETTINGS, WEIGHTS
from regard.training import load_weights

_PIXELS = 3_000_000


@dataclass(frozen=True, eq=False)
class Loaded:
    """A trained network, ready to use.

    Attributes:
        net: in evaluation mode, on the CPU.
        metadata: all that its file says: model, classes, preprocessing, recipe, seed, history ...
        classes: names in the order of the outputs.
        preprocessing: what is done to a picture first.
        path: of the weights file.
    """

    net: nn.Module
    metadata: dict[str, Any]
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    path: Path

    @property
    def multi_label(self) -> bool:
        """Whether a picture may have several classes."""
        return bool(self.metadata.get("multi_label"))

    @property
    def name(self) -> str:
        """The network's name with its attention, for people."""
        return model_name(self.metadata["model"])


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
    try:
        model: dict[str, Any] = dict(metadata["model"])
        classes = tuple(map(str, metadata["classes"]))
        preprocessing = Preprocessing.from_json(metadata["preprocessing"])
        name = model.pop("name")
        options: dict[str, Any] = {"num_classes": len(classes), "in_channels": preprocessing.channels, **model}
        with seeded(0):
            net = models.create(name, seed=0, **options)
    except (KeyError, TypeError, ValueError, RegardError) as error:
        what = f"has no {error}" if isinstance(error, KeyError) else f"cannot be used ({error})"
        raise CheckpointError(
            f"{path}: the description of the network in the file {what}: it was written by another version of regard "
            f"({metadata.get('regard', 'unknown')}) or by another program."
        ) from error
    try:
        models.load_state(net, state)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return Loaded(net.eval(), metadata, classes, preprocessing, path)


def weights_path(run: str | Path) -> Path:
    """The weights file of a run's folder, or the file itself."""
    path = Path(run).expanduser()
    if not path.exists():
        raise RunError(f"There is no run and no weights file {run}: name the folder of a `regard train`.")
    if not path.is_dir():
        return path
    if (path / WEIGHTS).is_file():
        return path / WEIGHTS
    if (path / CHECKPOINT).is_file() or (path / SETTINGS).is_file():
        raise RunError(f"{path} is a training run that is not finished: finish it by `regard train --resume {path}`.")
    if (path / "trials").is_dir():
        raise RunError(f"{path} is a comparison: name the folder of one trial in it, {path}/trials/ARM/seed0.")
    raise RunError(f"{path} holds no {WEIGHTS}: name the folder of a finished `regard train`, or a weights file.")


def model_name(model: dict[str, Any]) -> str:
    """The network's name with its attention.

    >>> model_name({"name": "resnet20", "attention": "se:reduction=8"})
    'resnet20 with se:reduction=8'
    >>> model_name({"name": "resnet20", "attention": None, "patch": 64, "patch_stride": None})
    'resnet20 in patches of 64 pixels'
    """
    attention = f" with {model['attention']}" if model.get("attention") else ""
    patches = f" in patches of {model['patch']} pixels" if model.get("patch") else ""
    return f"{model['name']}{attention}{patches}"


def batch_size_for(preprocessing: Preprocessing) -> int:
    """How many pictures to run through a network at once when none is trained: few large ones, at most 256."""
    height, width = preprocessing.size
    return max(1, min(256, _PIXELS // (height * width * preprocessing.channels)))
