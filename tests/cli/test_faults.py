"""A full disk, missing rights and a full memory are said in a sentence; anything else is a bug."""

import errno

import pytest

from regard.cli.faults import sentence_of


class OutOfMemoryError(RuntimeError):
    """Named as PyTorch's."""


def wrap(error):
    try:
        try:
            raise error
        except type(error) as inner:
            raise RuntimeError("while saving") from inner
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a.json"), "The disk is full: a.json"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "a.json"), "The disk is full: a.json"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "The disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/a"), "/a cannot be used: Permission denied"),
        (OutOfMemoryError("CUDA out of memory"), "--batch-size"),
        (RuntimeError("unable to write to file </torch_7_1_0>: No space left on device (28)"), "--shm-size"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible ..."), "--shm-size"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), "was killed from outside"),
        (RuntimeError("DataLoader worker (pid(s) 7, 8) exited unexpectedly"), "fewer --workers"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
            "--batch-size",
        ),
        (MemoryError("Unable to allocate 3 TiB"), "The memory was full"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "The memory was full"),
        (
            ValueError("Expected more than 1 value per channel when training, got input size [1, 8, 1, 1]"),
            "of 2 or more",
        ),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit"),
    ],
)
def test_machine_faults_are_found_under_other_errors(error, said):
    assert said in sentence_of(error)
    assert said in sentence_of(wrap(error))


@pytest.mark.parametrize("error", [ValueError("x"), FileNotFoundError(errno.ENOENT, "no", "a"), RuntimeError("shape")])
def test_a_bug_stays_a_bug(error):
    assert sentence_of(error) is None
