"""Reading safetensors files of regard: tensors and JSON metadata; nothing in a file is ever executed."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from regard.core.errors import CheckpointError

ENTRY = "regard"
"""The entry of a file's metadata that holds those of regard, as JSON."""

_REMEDY = "Copy the file again, or train again."


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
    if ENTRY not in entries:
        raise CheckpointError(
            f"{path}: the file has no metadata of regard's, so it does not say which network, classes and "
            "preprocessing the weights belong to. A file from elsewhere can start a training: "
            f"`regard train --model timm:NAME --weights {path}`."
        )
    try:
        metadata = json.loads(entries[ENTRY])
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
