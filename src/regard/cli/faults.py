"""Errors that are the machine's fault and not a bug of ours: what to tell the user."""

import errno


def sentence_of(error: BaseException) -> str | None:
    """What was at fault and what to do, where the disk, the rights or the memory stopped the command; else None.

    >>> sentence_of(OSError(errno.ENOSPC, "No space left on device", "a.json"))
    'The disk is full: a.json could not be written. What was there before is unchanged; ...'
    """
    seen: BaseException | None = error
    while seen is not None:
        number = seen.errno if isinstance(seen, OSError) else None
        place = getattr(seen, "filename", None)
        if number in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(seen):
            what = f"{place} could not be written" if place else str(seen)
            return f"The disk is full: {what}. What was there before is unchanged; free some space and run it again."
        if number in (errno.EACCES, errno.EPERM, errno.EROFS) and place:
            return f"{place} cannot be used: {seen.args[-1]}. Give the right to it, or choose another place."
        if type(seen).__name__ == "OutOfMemoryError":
            return "The device's memory was full: use a smaller --batch-size, or --device cpu."
        seen = seen.__cause__ or seen.__context__
    return None
