"""Weights files: safetensors with JSON metadata."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from regard import __version__
from regard.core.epochs import Epoch
from regard.core.errors import CheckpointError
from regard.core.files import replacing
from regard.core.run_record import RunRecord
from regard.core.tensor_files import ENTRY, read_tensors
from regard.training.recipe import Recipe

RESUME = (
    "Free some space (or choose another folder with --out), then continue: a training run resumes after its last "
    "complete epoch with --resume."
)
"""The remedy if a file of a training run cannot be written."""


def save_weights(path: str | Path, net: nn.Module | Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Writes the weights and the metadata to use them; an existing file is replaced once the new one is complete.

    Args:
        path: a `.safetensors` file.
        net: the network, or its state dict.
        metadata: JSON values, see `weights_metadata`; `regard`, this version, is added.

    Raises:
        RunError: the disk is full, or the folder cannot be written to.
    """
    state = net.state_dict() if isinstance(net, nn.Module) else net
    write_tensors(Path(path), state, {"kind": "weights", "regard": __version__, **metadata})


def weights_metadata(recipe: Recipe, seed: int, history: Sequence[Epoch], run: RunRecord | None) -> dict[str, Any]:
    """Returns the metadata of a weights file on its training."""
    rows = [row.to_json() for row in history]
    facts = {"recipe": recipe.to_json(), "seed": seed, "history": rows}
    return facts if run is None else {"run": run.to_json(), **facts}


def load_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads state dict and metadata of a weights file of regard. Never executes anything in the file.

    Raises:
        CheckpointError: the file is missing, truncated, a pickle, of another format, or without regard's metadata.
    """
    state, metadata = read_tensors(Path(path))
    if metadata.get("kind") == "checkpoint":
        raise CheckpointError(
            f"{path}: this is the checkpoint of a training run, not its result: finish the run with "
            f"`regard train --resume {Path(path).parent}` and use its weights.safetensors."
        )
    return state, metadata


def restore(net: nn.Module, path: str | Path) -> dict[str, Any]:
    """Loads a weights file into `net`, all tensors or none; returns the file's metadata.

    Raises:
        CheckpointError: as for `load_weights`, or the weights are those of another network.
    """
    state, metadata = load_weights(path)
    check_state(net, {name: tuple(tensor.shape) for name, tensor in state.items()}, str(path))
    net.load_state_dict(state)
    return metadata


def check_state(net: nn.Module, shapes: Mapping[str, tuple[int, ...]], source: str) -> None:
    """Raises a `CheckpointError` that lists some differences unless `shapes` are those of `net`'s state dict."""
    ours = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    lines = [
        f"{name} is {_of(shapes[name])} and must be {_of(ours[name])}"
        for name in ours
        if name in shapes and shapes[name] != ours[name]
    ]
    lines += [f"{name} is missing" for name in ours if name not in shapes]
    lines += [f"{name} is not in the network" for name in shapes if name not in ours]
    if lines:
        more = f"; and {len(lines) - 4} more" if len(lines) > 4 else ""
        raise CheckpointError(
            f"{source}: these are the weights of another network; {len(lines)} tensors differ: "
            f"{'; '.join(lines[:4])}{more}. Use the network that they were trained in, or another file."
        )


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Writes tensors and JSON metadata to a safetensors file, completely or not at all."""
    with replacing(path, remedy=RESUME) as aside:
        try:
            save_file(_copy_shared(tensors), aside, metadata={"format": "pt", ENTRY: json.dumps(metadata)})
        except SafetensorError as error:
            raise OSError(str(error).removeprefix("Error while serializing: I/O error: ")) from error


def _copy_shared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the tensors on the CPU, contiguous; tensors that share memory are copied, as safetensors requires."""
    apart: dict[str, Tensor] = {}
    memory: set[int] = set()
    for name, given in tensors.items():
        tensor = given.detach().cpu().contiguous()
        storage = tensor.untyped_storage()
        if storage.data_ptr() in memory or storage.nbytes() != tensor.nbytes:
            tensor = tensor.clone()
        memory.add(storage.data_ptr())
        apart[name] = tensor
    return apart


def _of(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape) or "scalar"
