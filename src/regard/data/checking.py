"""Checks every image of a folder once, before training, and stores the results.

A file that turns out to be broken in the middle of an epoch would either stop a long run or change its batches
silently. So every image is decoded when its source is opened: bad ones are known, listed and left out from the
start, and sizes, statistics and content hashes come out of the same pass. JPEG files are decoded at an eighth of
their resolution where that is enough (all bytes are still read), and the results are stored by each file's size and
modification time, so that later starts need no such pass.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from regard.core.errors import RunError
from regard.core.files import write_whole
from regard.data.cache import cache_folder
from regard.data.depth import SIXTEEN_BITS, Deep, measure
from regard.data.reading import (
    BadImageError,
    allow_large_images,
    flatten,
    is_deep,
    open_image,
    upright_size,
    values_of,
)

REDUCED = 128
"""Statistics are taken from images reduced to about this many pixels on the shorter side."""

_FORMAT = 2

Progress = Callable[[int, int], None]
"""A callback with the number of images checked so far and their total."""


class CheckResult(NamedTuple):
    """The result of the check of one image file.

    Attributes:
        bytes: its size on disk.
        modified: its modification time, in nanoseconds.
        reason: the reason why it cannot be used, or None; with a reason the other fields are meaningless.
        digest: a hash of the file's content.
        height: of the upright image.
        width: of the upright image.
        grey: True if it has one channel.
        mean: of each of the channels R, G, B, from 0 to 1.
        square: the mean of the squared values, of each channel.
        deep: its values if they have more than 8 bits; `mean` and `square` are those at the range of 16 bits.
    """

    bytes: int
    modified: int
    reason: str | None
    digest: str = ""
    height: int = 0
    width: int = 0
    grey: bool = False
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    square: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deep: Deep | None = None


def check_images(
    root: Path, files: Sequence[str], *, max_pixels: int, progress: Progress | None = None
) -> list[CheckResult]:
    """Checks each of the `files` below `root`, or takes the stored result of a good file that has not changed."""
    store = _store_path(root, max_pixels)
    known = _load(store)
    threads = min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)

    def look(file: str) -> CheckResult:
        old, path = known.get(file), root / file
        try:
            state = path.stat()
        except OSError:
            return _look(path, 0, 0, max_pixels)
        if old and (old.bytes, old.modified) == (state.st_size, state.st_mtime_ns):
            return old
        return _look(path, state.st_size, state.st_mtime_ns, max_pixels)

    seen: list[CheckResult] = []
    with allow_large_images(), ThreadPoolExecutor(threads) as pool:
        for checked in pool.map(look, files):
            seen.append(checked)
            if progress:
                progress(len(seen), len(files))
    now = {file: checked for file, checked in zip(files, seen, strict=True) if checked.reason is None}
    if any(known.get(file) != checked for file, checked in now.items()):
        _store(store, known | now)
    return seen


def _look(path: Path, size: int, modified: int, max_pixels: int) -> CheckResult:
    try:
        with open_image(path, max_pixels) as image:
            height, width = upright_size(image)
            image.draft(None, (REDUCED, REDUCED))
            deep = _deep(image)
            small = flatten(image, SIXTEEN_BITS if deep else None)
            small = small.reduce(max(1, min(small.size) // REDUCED))
            pixels = np.asarray(small.convert("RGB"), np.float64).reshape(-1, 3) / 255
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except BadImageError as error:
        return CheckResult(size, modified, error.image.reason if error.image else str(error))
    return CheckResult(
        size,
        modified,
        None,
        digest,
        height,
        width,
        small.mode == "L",
        _rgb(pixels.mean(0)),
        _rgb((pixels**2).mean(0)),
        deep,
    )


def _deep(image: Image.Image) -> Deep | None:
    if not is_deep(image):
        return None
    values = values_of(image)
    whole = values.dtype.kind != "f" and int(values.min()) >= 0 and int(values.max()) <= SIXTEEN_BITS[1]
    return measure(values, sixteen=whole)


def _rgb(values: NDArray[np.float64]) -> tuple[float, float, float]:
    red, green, blue = (float(v) for v in values)
    return red, green, blue


def _store_path(root: Path, max_pixels: int) -> Path:
    """The file of stored results; everything that may change a result changes its name."""
    settings = repr((_FORMAT, PIL.__version__, str(root.resolve()), max_pixels))
    return cache_folder() / "checked" / f"{hashlib.sha256(settings.encode()).hexdigest()[:24]}.json"


def _load(store: Path) -> dict[str, CheckResult]:
    try:
        rows = json.loads(store.read_text())
        return {
            file: CheckResult._make((*row[:7], tuple(row[7]), tuple(row[8]), row[9] and Deep(*row[9])))
            for file, row in rows.items()
        }
    except (OSError, ValueError, TypeError, IndexError, AttributeError):
        return {}


def _store(store: Path, seen: dict[str, CheckResult]) -> None:
    """Stores the results; if that fails, the next start takes longer, but the run goes on."""
    with suppress(RunError):
        write_whole(store, json.dumps(seen).encode())
