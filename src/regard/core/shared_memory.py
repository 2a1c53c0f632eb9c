"""The memory through which processes that read images pass their batches, which is often small in a container."""

import os
import warnings
from pathlib import Path

SHARED = Path("/dev/shm")

_AHEAD = 2
"""Batches that each process prepares ahead, as PyTorch has it."""


def free_bytes(folder: Path = SHARED) -> int | None:
    """The free bytes of the shared memory; None where the system has no such folder."""
    if not hasattr(os, "statvfs") or not folder.is_dir():
        return None
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


def workers_that_fit(workers: int, batch_bytes: int) -> int:
    """`workers`, or none where their batches do not fit into the shared memory, with a warning.

    The batches are the same for any number of processes, so that reading in one is slower and nothing else.
    """
    free = free_bytes()
    needed = (_AHEAD * workers + 1) * batch_bytes
    if not workers or free is None or needed <= free:
        return workers
    warnings.warn(
        f"{workers} processes that read images would need {_megabytes(needed)} of shared memory, but {SHARED} has "
        f"{_megabytes(free)} free: images are read in one process, which is slower. Start the container with "
        "--shm-size=2g, or give --workers 0.",
        stacklevel=3,
    )
    return 0


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
