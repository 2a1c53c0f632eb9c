"""Messages for errors that the machine causes: a full disk, full memory, missing permissions."""

import errno
from collections.abc import Iterator

_SHARED_MEMORY = ("Bus error", "shared memory", "</torch_", "/dev/shm")
_FULL_MEMORY = ("DefaultCPUAllocator", "not enough memory: you tried to allocate", "Cannot allocate memory")
_WORKER = ("DataLoader worker", "worker process")


def sentence_of(error: BaseException) -> str | None:
    """Returns a message with the cause and the remedy if disk, permissions or memory caused the error, else None.

    >>> sentence_of(OSError(errno.ENOSPC, "No space left on device", "a.json"))
    'The disk is full: a.json could not be written. What was there before is unchanged; ...'
    """
    chain = list(_chain(error))
    text = "\n".join(str(seen) for seen in chain)
    return _of_memory(chain, text) or next((found for seen in chain if (found := _of_disk(seen))), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields the error, the one it was raised from, and so on."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _of_memory(chain: list[BaseException], text: str) -> str | None:
    """Returns the message for full memory, and for processes and layers that had too little."""
    if any(word in text for word in _SHARED_MEMORY) and ("worker" in text or "</torch_" in text or "shm" in text):
        return (
            "The shared memory, /dev/shm, was full: processes that read images pass batches through it, and a "
            "container has 64 MB by default. Start the container with --shm-size=2g, or read images in one process: "
            "--workers 0."
        )
    if any(type(seen).__name__ == "OutOfMemoryError" for seen in chain):
        return "The device's memory was full: use a smaller --batch-size, or --device cpu."
    if any(isinstance(seen, MemoryError) for seen in chain) or any(word in text for word in _FULL_MEMORY):
        return "The memory was full: use a smaller --batch-size, a smaller --size or fewer --workers, and run it again."
    if any(word in text for word in _WORKER) and ("killed by signal" in text or "exited unexpectedly" in text):
        return (
            "A process that reads images was killed from outside; the usual cause is a full memory. Run it again with "
            "fewer --workers or a smaller --batch-size; a training run continues with --resume."
        )
    if "Expected more than 1 value per channel when training" in text:
        return (
            "A batch normalisation of this network got a single value per channel, which has no variance: "
            "use a --batch-size of 2 or more, or a larger --size."
        )
    if "Too many open files" in text:
        return "The process may open too few files at once: use fewer --workers, or allow more with `ulimit -n 4096`."
    return None


def _of_disk(seen: BaseException) -> str | None:
    """Returns the message for a disk that is full or not accessible."""
    number = seen.errno if isinstance(seen, OSError) else None
    path = getattr(seen, "filename", None)
    if number in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(seen):
        what = f"{path} could not be written" if path else str(seen)
        return f"The disk is full: {what}. What was there before is unchanged; free some space and run it again."
    if number in (errno.EACCES, errno.EPERM, errno.EROFS) and path:
        return f"{path} cannot be used: {seen.args[-1]}. Change its permissions, or choose another path."
    return None
