"""Lightning's full checkpoints as safetensors and JSON in one file; nothing in them is ever executed."""

from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import CheckpointIO

from regard.core.errors import CheckpointError
from regard.core.tensor_files import read_tensors
from regard.training.tree import flatten, unflatten
from regard.training.weights import write_tensors

SETTINGS = "regard"
"""The key of a checkpoint for the settings of its run: recipe, seed, classes."""


class SafetensorsIO(CheckpointIO):
    """Writes and reads checkpoints: tensors as safetensors, the rest of the tree as JSON in the file's header."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None) -> None:
        """Writes to a temporary file, syncs it to disk, then replaces the old file.

        Raises:
            RunError: the disk is full, or the folder cannot be written to; the old file is intact.
        """
        tensors, rest = flatten(checkpoint)
        metadata = {"kind": "checkpoint", SETTINGS: checkpoint.get(SETTINGS), "tree": rest}
        write_tensors(Path(path), tensors, metadata)

    def load_checkpoint(
        self, path: str | Path, map_location: object = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads the saved tree to the CPU.

        Raises:
            CheckpointError: the file is missing, truncated, a pickle, or of another format.
        """
        tensors, metadata = read_tensors(Path(path))
        if metadata.get("kind") != "checkpoint":
            raise CheckpointError(
                f"{path}: these are weights without the state of their training, so no run can be resumed from them."
            )
        checkpoint: dict[str, Any] = unflatten(metadata["tree"], tensors)
        return checkpoint

    def remove_checkpoint(self, path: str | Path) -> None:
        """Deletes the file."""
        Path(path).unlink(missing_ok=True)
