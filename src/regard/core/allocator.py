"""The allocator of memory on the CPU: its name, and glibc's set so that it reuses freed memory.

glibc returns blocks above 32 MiB to the kernel as soon as they are freed, and smaller ones at the end of its heap. The
next tensor of that size is then cleared again by the kernel, a page fault for each 4 KiB, and this often takes longer
than the operation that fills the tensor.
"""

import ctypes
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

if sys.platform != "win32":
    import resource

SETTINGS = {"MALLOC_MMAP_MAX_": 0, "MALLOC_TRIM_THRESHOLD_": 2**34, "MALLOC_TOP_PAD_": 2**28}
"""The environment variables with the same effect on any program, and their values."""

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_OTHERS = ("jemalloc", "tcmalloc", "mimalloc")
_TUNABLES = "GLIBC_TUNABLES"

_reused = False


def reuse_memory(device: "torch.device | None" = None) -> bool:
    """Lets glibc keep freed memory for the tensors that follow, for the rest of this process and those it forks.

    The process then holds the most memory that it once needed until it ends. Nothing is changed where `obstacle` names
    a reason, or where the work is done on another device.

    Args:
        device: the device that computes; None means the CPU.

    Returns:
        True if freed memory is kept from now on.
    """
    global _reused
    if _reused or (device is not None and device.type != "cpu") or obstacle() is not None:
        return _reused
    mallopt = ctypes.CDLL(None).mallopt
    # A negative threshold is the largest one: mallopt takes an int and stores it without a sign.
    asked = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, SETTINGS["MALLOC_TOP_PAD_"]))
    _reused = all([mallopt(parameter, value) == 1 for parameter, value in asked])
    return _reused


def obstacle() -> str | None:
    """The reason why `reuse_memory` changes nothing, in words that follow "because"; None if there is none."""
    if set_by_user():
        return f"{', '.join(set_by_user())} of the environment set it"
    if other := loaded_allocator():
        return f"{other} is loaded"
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return "this system's C library is not glibc"
    return None


def describe_allocator() -> str:
    """The name of the allocator and what is done with freed memory, in words.

    >>> describe_allocator().split()[0] in ("glibc", "jemalloc", "tcmalloc", "mimalloc", "the")
    True
    """
    if other := loaded_allocator():
        return other
    name = " ".join(platform.libc_ver()).strip() or f"the one of {platform.system()}"
    if set_by_user():
        return f"{name}, with {', '.join(f'{key}={value}' for key, value in set_by_user().items())}"
    if _reused:
        return f"{name}, which keeps freed memory for reuse"
    return f"{name}, as it is"


def loaded_allocator() -> str | None:
    """The name of the allocator that replaces the system's in this process; None if there is none."""
    mappings = Path("/proc/self/maps")
    loaded = mappings.read_text(encoding="utf-8", errors="replace") if mappings.exists() else ""
    return next((name for name in _OTHERS if name in loaded), None)


def set_by_user(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment variables by which the user has set the allocator, with their values.

    >>> set_by_user({"MALLOC_MMAP_MAX_": "0", "HOME": "/"})
    {'MALLOC_MMAP_MAX_': '0'}
    """
    return {
        name: value
        for name, value in sorted(environment.items())
        if name.startswith("MALLOC_") or (name == _TUNABLES and "glibc.malloc" in value)
    }


def page_faults() -> int | None:
    """The number of page faults of this process that needed no disk; None where the system does not count them."""
    if sys.platform == "win32":
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
