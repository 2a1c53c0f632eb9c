"""Files that are either the old one or the new one, never a part of one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from regard.core.errors import RunError

REMEDY = "Make room on the disk or choose another folder, then run the same command again."


@contextmanager
def replacing(path: Path, *, remedy: str = REMEDY) -> Iterator[Path]:
    """A path to write to instead of `path`: moved there, on disk for certain, when the block ends without an error.

    Parent folders are created. After an error `path` keeps its old contents.

    Args:
        path: the file to make or to replace.
        remedy: what to do where it cannot be written, a sentence.

    Raises:
        RunError: the disk is full, or the folder cannot be written to.

    Example:
        >>> target = Path(tempfile.mkdtemp()) / "facts.txt"
        >>> with replacing(target) as aside:
        ...     _ = aside.write_text("written")
        >>> target.read_text()
        'written'
    """
    aside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        aside = Path(name)
        os.close(descriptor)
        yield aside
        aside.chmod(0o644)
        _sync(aside)
        os.replace(aside, path)
        _sync(path.parent)
    except OSError as error:
        raise unwritable(path, error.strerror or str(error), remedy=remedy) from error
    finally:
        if aside is not None:
            with suppress(OSError):
                aside.unlink()


def expect_writable(path: Path, *, remedy: str = REMEDY) -> None:
    """Raises an error if a file cannot be written there, for work whose result it would lose.

    Parent folders are created.

    Raises:
        RunError: the path is a folder, or its folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise unwritable(path, error.strerror or str(error), remedy=remedy) from error
    if path.is_dir():
        raise RunError(f"{path} is a folder: give the name of a file.")


def as_bytes(text: str) -> bytes:
    """The text in UTF-8; characters that it cannot encode, such as a byte of a file's name, are escaped.

    >>> as_bytes("ca\\udce9")
    b'ca\\\\udce9'
    """
    return text.encode("utf-8", "backslashreplace")


def write_whole(path: Path | str, content: bytes, *, remedy: str = REMEDY) -> Path:
    """Writes all of `content` to `path` or nothing; arguments and errors as of `replacing`.

    Returns:
        The path.
    """
    path = Path(path)
    with replacing(path, remedy=remedy) as aside:
        aside.write_bytes(content)
    return path


def unwritable(path: Path, reason: str, *, remedy: str = REMEDY) -> RunError:
    """The error for a file that could not be written."""
    kept = "The file that was there before is intact." if path.exists() else "Nothing was left behind."
    return RunError(f"{path}: could not be written: {reason}. {kept} {remedy}")


def _sync(path: Path) -> None:
    """Waits until the file or folder is on the disk; Windows has no such thing for folders."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
