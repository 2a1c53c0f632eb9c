"""Reads videos with PyAV: frames are scaled one by one while they are decoded, so that 4K takes no more memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regard.core.errors import DependencyError
from regard.data.account import printable
from regard.data.clip_checking import BadClipError, Checked, digest_of

_UNEVEN = 0.5
"""A frame rate is variable if a step in time differs from the median by more than this share."""

_MISSING = 2
"""A video with more frames fewer than its header says is truncated."""


def pyav() -> ModuleType:
    """Imports PyAV.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise DependencyError(
            "Videos need the package av (PyAV), which is not installed: pip install 'regard[video]'."
        ) from error
    return av


def check_video(path: Path) -> Checked:
    """Decodes a whole video, one frame at a time."""
    times: list[float] = []
    height = width = 0
    damaged = None
    try:
        with _frames(path) as (stream, frames):
            declared, seconds = stream.frames, _duration(stream)
            for frame in frames:
                if not times:
                    height, width = _upright(frame)
                if frame.is_corrupt and damaged is None:
                    damaged = len(times)
                times.append(len(times) if frame.time is None else frame.time)
    except BadClipError as error:
        return Checked(error.reason)
    if declared - len(times) > _MISSING:
        return Checked(f"the file is truncated: only {len(times)} of its {declared} frames can be decoded")
    if damaged is not None:
        return Checked(f"its frame {damaged} is damaged")
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    if seconds is not None and times[-1] + 2 * step + 0.5 < seconds:
        return Checked(f"the file is truncated: it has {times[-1]:.1f} of its {seconds:.1f} seconds")
    rate = 1 / step if step > 0 else 0.0
    return Checked(None, len(times), height, width, rate, _shown(times, step), digest_of(path))


def read_video(path: Path, numbers: Tensor, size: tuple[int, int] | None) -> Tensor:
    """Decodes frames of a video.

    Args:
        path: the file.
        numbers: of the decoded frames, ascending, some perhaps repeated.
        size: (h, w) that the frames need to cover; larger ones are reduced, with their shape kept.

    Returns:
        (3, t, h, w) uint8.

    Raises:
        BadClipError: the file cannot be decoded, or has fewer frames.
    """
    wanted = numbers.tolist()
    found: dict[int, NDArray[np.uint8]] = {}
    with _frames(path) as (_, frames):
        for number, frame in enumerate(frames):
            if number in set(wanted):
                found[number] = _pixels(frame, size)
            if number == wanted[-1]:
                break
    if wanted[-1] not in found:
        raise BadClipError.of("video", printable(path), f"it has no frame {wanted[-1]} any more")
    return torch.from_numpy(np.stack([found[number] for number in wanted])).permute(3, 0, 1, 2)


def covering(height: int, width: int, size: tuple[int, int] | None) -> tuple[int, int]:
    """The smallest (h, w) of the same shape that covers `size`, at most the frame's own.

    >>> covering(2160, 3840, (112, 112)), covering(60, 80, (112, 112))
    ((112, 199), (60, 80))
    """
    if size is None:
        return height, width
    scale = max(size[0] / height, size[1] / width)
    return (height, width) if scale >= 1 else (round(scale * height), round(scale * width))


class _UnusableError(Exception):
    """The reason why a video that opened cannot be used."""


@contextmanager
def _frames(path: Path) -> Iterator[tuple[Any, Iterator[Any]]]:
    """Opens a video; gives its first video stream and its frames. Any fault inside becomes a `BadClipError`."""
    av = pyav()
    try:
        with av.open(str(path)) as container:
            streams = [s for s in container.streams.video if not _is_cover(s)]
            if not streams:
                there = ", ".join(sorted({s.type for s in container.streams if s.type is not None}))
                cut = "" if "audio" in there else "; it may be truncated"
                raise _UnusableError(f"it has no video stream{f', only {there}' if there else ''}{cut}")
            yield streams[0], _some(container.decode(streams[0]))
    except BadClipError:
        raise
    except Exception as error:  # decoders raise almost anything on invalid bytes
        raise BadClipError.of("video", printable(path), _reason(error)) from error


def _is_cover(stream: Any) -> bool:
    """True for the cover image of a sound, which is stored as a video stream of one frame."""
    return bool(getattr(stream.disposition, "name", None) and "attached_pic" in stream.disposition.name)


def _some(frames: Iterator[Any]) -> Iterator[Any]:
    first = next(iter(frames), None)
    if first is None:
        raise _UnusableError("it has no frame that can be decoded")
    yield first
    yield from frames


def _reason(error: Exception) -> str:
    if isinstance(error, _UnusableError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, MemoryError):
        return "it does not fit into memory"
    known = getattr(error, "strerror", None) or str(error)
    return f"it cannot be decoded ({type(error).__name__}: {known}); it may be truncated or no video".replace("\n", " ")


def _duration(stream: Any) -> float | None:
    """The seconds that the header says of a file with nothing but this stream; None if unknown."""
    container = stream.container
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is None or len(container.streams) > 1:
        return None
    return float(container.duration) / 1e6


def _upright(frame: Any) -> tuple[int, int]:
    return (frame.width, frame.height) if frame.rotation % 180 else (frame.height, frame.width)


def _pixels(frame: Any, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """(h, w, 3) upright."""
    turned = bool(frame.rotation % 180)
    height, width = covering(*_upright(frame), size)
    height, width = (width, height) if turned else (height, width)
    scaled = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
    return np.ascontiguousarray(np.rot90(scaled.to_ndarray(), frame.rotation // 90))


def _shown(times: list[float], step: float) -> tuple[int, ...]:
    """For as many frames, evenly spread in time, the decoded frame shown then; empty if the rate is constant."""
    if len(times) < 3 or bool((np.abs(np.diff(times) - step) <= _UNEVEN * step).all()):
        return ()
    even = times[0] + np.arange(len(times)) * (times[-1] - times[0] + step) / len(times)
    numbers = np.searchsorted(times, even + 1e-6, side="right") - 1
    return tuple(int(number) for number in numbers.clip(0, len(times) - 1))
