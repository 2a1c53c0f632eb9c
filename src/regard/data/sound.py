"""Reads sounds with soundfile: any rate, bits and channels become one waveform at one rate."""

import struct
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regard.core.errors import DependencyError
from regard.data.account import printable
from regard.data.clip_checking import BadClipError, Checked, digest_of
from regard.data.mel import resample

_BLOCK = 1 << 16
_UNKNOWN_SIZE = (0, 0xFFFFFFFF, 0x7FFFFFFF)
"""Sizes in the header of a .wav that was written as a stream."""


def soundfile() -> ModuleType:
    """Imports soundfile.

    Raises:
        DependencyError: it, or its library, is not installed.
    """
    try:
        import soundfile as package
    except (ImportError, OSError) as error:
        raise DependencyError(
            "Sounds need the package soundfile, which is not installed: pip install 'regard[sound]'."
        ) from error
    found: ModuleType = package
    return found


def check_sound(path: Path) -> Checked:
    """Reads a whole sound, block by block; its length is in samples at its own rate."""
    package = soundfile()
    samples = 0
    try:
        with package.SoundFile(str(path)) as file:
            rate, declared = file.samplerate, file.frames
            for block in file.blocks(_BLOCK, dtype="float32", always_2d=True):
                if not np.isfinite(block).all():
                    return Checked("it has samples that are NaN or infinite")
                samples += len(block)
    except Exception as error:  # a broken file raises almost anything
        return Checked(f"it cannot be read ({type(error).__name__}: {error})".replace("\n", " "))
    if not samples:
        return Checked("it has 0 samples")
    missing = _missing_bytes(path)
    if samples < declared or missing:
        lost = f"{missing:,} bytes of its samples" if missing else f"{declared - samples:,} of its {declared:,} samples"
        return Checked(f"the file is truncated: {lost} are missing")
    return Checked(None, samples, rate=float(rate), digest=digest_of(path))


def read_sound(path: Path, rate: int) -> Tensor:
    """Reads a sound as one waveform: the mean of its channels, resampled.

    Args:
        path: the file.
        rate: samples a second.

    Returns:
        (1, samples) float32; integers of any bits are from -1 to 1.

    Raises:
        BadClipError: the file cannot be read.
    """
    package = soundfile()
    try:
        values, own = package.read(str(path), dtype="float32", always_2d=True)
    except Exception as error:  # as above
        raise BadClipError.of("sound", printable(path), f"it cannot be read ({error})") from error
    mono: NDArray[np.float32] = values.mean(1, keepdims=True)
    return torch.from_numpy(np.ascontiguousarray(resample(mono, own, rate).T))


def _missing_bytes(path: Path) -> int:
    """The bytes by which the samples of a .wav are fewer than its header says; libsndfile passes over that."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != b"RIFF" or file.seek(8) != 8 or file.read(4) != b"WAVE":
            return 0
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", head)
            if name == b"data":
                return 0 if length in _UNKNOWN_SIZE else max(0, file.tell() + length - size)
            file.seek(length + length % 2, 1)
    return 0
