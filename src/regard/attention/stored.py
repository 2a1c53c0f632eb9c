"""Ways in which other libraries store what we store otherwise."""

from torch import Tensor

from regard.core.layout import Stored


def as_map(name: str) -> Stored:
    """A vector of ours (n,) that is (1, n, 1, 1) there.

    >>> import torch
    >>> as_map("weight").give(torch.zeros(3)).shape
    torch.Size([1, 3, 1, 1])
    """
    return Stored(name=name, there=_as_map, back=Tensor.flatten)


def _as_map(values: Tensor) -> Tensor:
    return values.reshape(1, -1, 1, 1)
