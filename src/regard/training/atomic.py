"""Files that are either the old one or the new one, never half of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from regard.core.errors import CheckpointError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to in place of `path`: moved there, on disk for certain, when the block ends without an error.

    The parent folders are made. Whatever goes wrong, `path` keeps what it had.

    Raises:
        CheckpointError: the disk is full, or the folder cannot be written to.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "facts.txt"
        >>> with replacing(target) as aside:
        ...     _ = aside.write_text("written")
        >>> target.read_text()
        'written'
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.writing")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        aside.chmod(0o644)
        _sync(aside)
        os.replace(aside, path)
        _sync(path.parent)
    except OSError as error:
        raise unwritable(path, error.strerror or str(error)) from error
    except SafetensorError as error:
        raise unwritable(path, str(error).removeprefix("Error while serializing: I/O error: ")) from error
    finally:
        with suppress(OSError):
            aside.unlink()


def write_text(path: Path, text: str) -> None:
    """Writes `text` to `path` as UTF-8, all of it or nothing."""
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8")


def unwritable(path: Path, reason: str) -> CheckpointError:
    """The error for a file that could not be written."""
    kept = "The file that was there before is intact." if path.exists() else "Nothing was left behind."
    return CheckpointError(
        f"{path}: could not be written: {reason}. {kept} Make room on the disk (or choose another folder with --out), "
        "then go on: a training run continues from its last complete epoch with --resume."
    )


def _sync(path: Path) -> None:
    """Waits until the file or folder is on the disk; Windows has no such thing for folders."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
