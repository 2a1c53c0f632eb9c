"""Weights files: safetensors with JSON metadata."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from regard import __version__
from regard.core.epochs import Epoch
from regard.core.errors import CheckpointError
from regard.core.files import replacing
from regard.core.run_record import RunRecord
from regard.training.recipe import Recipe

RESUME = (
    "Free some space (or choose another folder with --out), then continue: a training run resumes after its last "
    "complete epoch with --resume."
)
"""The remedy if a file of a training run cannot be written."""

_ENTRY = "regard"
_REMEDY = "Copy the file again, or train again."


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
            save_file(_copy_shared(tensors), aside, metadata={"format": "pt", _ENTRY: json.dumps(metadata)})
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


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads tensors and metadata of a safetensors file of regard."""
    metadata = read_metadata(path)
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name).clone() for name in file.keys()}, metadata  # noqa: SIM118


def file_fault(path: Path) -> str | None:
    """Returns a message on the damage of a safetensors file of regard, or None if it is intact."""
    try:
        read_metadata(path)
    except CheckpointError as error:
        return str(error)
    return None


def read_metadata(path: Path) -> dict[str, Any]:
    """Reads the metadata of a safetensors file of regard, without its tensors."""
    entries = _header(path)
    if _ENTRY not in entries:
        raise CheckpointError(
            f"{path}: the file has no metadata of regard's, so it does not say which network, classes and "
            "preprocessing the weights belong to. A file from elsewhere can start a training: "
            f"`regard train --model timm:NAME --weights {path}`."
        )
    try:
        metadata = json.loads(entries[_ENTRY])
    except ValueError as error:
        raise CheckpointError(f"{path}: the file's metadata are damaged: {error}. {_REMEDY}") from error
    if not isinstance(metadata, dict):
        raise CheckpointError(f"{path}: the file's metadata are damaged: they are not a JSON object. {_REMEDY}")
    return metadata


def _header(path: Path) -> dict[str, str]:
    """Reads the header, after checking that the file is a complete safetensors file."""
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "there is no such file"
        raise CheckpointError(f"{path}: {what}; name a .safetensors file that regard wrote.")
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(f"{path}: {_explain_fault(path, str(error))}") from error
    except OSError as error:
        raise CheckpointError(f"{path}: could not be read: {error.strerror or error}.") from error


def _explain_fault(path: Path, error: str) -> str:
    """Explains why `path` is not safetensors: 8 bytes with the length of the header, then the header."""
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith((b"PK\x03\x04", b"\x80")):
        return (
            "this is a pickle, and reading a pickle can execute any code, so it is refused. regard reads .safetensors; "
            "a .pth file of plain tensors can start a training (`regard train --weights`), where it is read without "
            "executing anything."
        )
    if not start:
        return f"the file is empty. {_REMEDY}"
    cut_header = start[8:] == b"{" and path.stat().st_size < 8 + int.from_bytes(start[:8], "little")
    if len(start) < 9 or cut_header or "ncomplete" in error:
        return f"the file is truncated. {_REMEDY}"
    return f"this is not a safetensors file ({error}). {_REMEDY}"


def _of(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape) or "scalar"
