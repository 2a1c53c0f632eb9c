"""Errors that are the machine's fault and not a bug of ours: what to tell the user."""

import errno
from collections.abc import Iterator

_SHARED_MEMORY = ("Bus error", "shared memory", "</torch_", "/dev/shm")
_FULL_MEMORY = ("DefaultCPUAllocator", "not enough memory: you tried to allocate", "Cannot allocate memory")
_WORKER = ("DataLoader worker", "worker process")


def sentence_of(error: BaseException) -> str | None:
    """What was at fault and what to do, where the disk, the rights or the memory stopped the command; else None.

    >>> sentence_of(OSError(errno.ENOSPC, "No space left on device", "a.json"))
    'The disk is full: a.json could not be written. What was there before is unchanged; ...'
    """
    chain = list(_chain(error))
    said = "\n".join(str(seen) for seen in chain)
    return _of_memory(chain, said) or next((text for seen in chain if (text := _of_disk(seen))), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _of_memory(chain: list[BaseException], said: str) -> str | None:
    """What to say of memory that was full, and of processes and layers that got too little."""
    if any(word in said for word in _SHARED_MEMORY) and ("worker" in said or "</torch_" in said or "shm" in said):
        return (
            "The shared memory, /dev/shm, was full: processes that read images pass batches through it, and a "
            "container has 64 MB by default. Start the container with --shm-size=2g, or read in one: --workers 0."
        )
    if any(type(seen).__name__ == "OutOfMemoryError" for seen in chain):
        return "The device's memory was full: use a smaller --batch-size, or --device cpu."
    if any(isinstance(seen, MemoryError) for seen in chain) or any(word in said for word in _FULL_MEMORY):
        return "The memory was full: use a smaller --batch-size, a smaller --size or fewer --workers, and run it again."
    if any(word in said for word in _WORKER) and ("killed by signal" in said or "exited unexpectedly" in said):
        return (
            "A process that reads images was ended from outside; most often the memory was full. Run it again with "
            "fewer --workers or a smaller --batch-size; a training goes on with --resume."
        )
    if "Expected more than 1 value per channel when training" in said:
        return (
            "A batch normalisation of this network got a single value per channel, of which it cannot learn a spread: "
            "use a --batch-size of 2 or more, or a larger --size."
        )
    if "Too many open files" in said:
        return "The process may open too few files at once: use fewer --workers, or allow more with `ulimit -n 4096`."
    return None


def _of_disk(seen: BaseException) -> str | None:
    """What to say of a disk that is full or may not be used."""
    number = seen.errno if isinstance(seen, OSError) else None
    place = getattr(seen, "filename", None)
    if number in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(seen):
        what = f"{place} could not be written" if place else str(seen)
        return f"The disk is full: {what}. What was there before is unchanged; free some space and run it again."
    if number in (errno.EACCES, errno.EPERM, errno.EROFS) and place:
        return f"{place} cannot be used: {seen.args[-1]}. Give the right to it, or choose another place."
    return None
