"""Ways in which other libraries store what we store in another shape."""

import torch

from regard.core.layout import Stored


def vector(name: str, *shape: int) -> Stored:
    """A vector of ours (n,) that has another shape there, where -1 means n.

    >>> vector("weight", 1, -1, 1, 1).give(torch.zeros(3)).shape
    torch.Size([1, 3, 1, 1])
    """
    return Stored(name=name, there=lambda ours: ours.reshape(shape), back=torch.flatten)


def with_axis(name: str, axis: int, part: tuple[int, int] | None = None) -> Stored:
    """A tensor of ours that has one more axis there, of size 1.

    Args:
        name: there.
        axis: the index of the new one.
        part: see `Stored`.

    Example:
        >>> with_axis("weight", 2).give(torch.zeros(4, 4, 3)).shape
        torch.Size([4, 4, 1, 3])
    """
    return Stored(
        name=name, part=part, there=lambda ours: ours.unsqueeze(axis), back=lambda theirs: theirs.squeeze(axis)
    )
