"""Convolutions by their number of position axes."""

from torch import nn

from regard.core.options import one_of

CONVOLUTIONS: dict[int, type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]] = {
    1: nn.Conv1d,
    2: nn.Conv2d,
    3: nn.Conv3d,
}


def convolution(owner: str, dims: int) -> type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]:
    """The convolution over `dims` position axes.

    >>> convolution("sse", 3).__name__
    'Conv3d'
    """
    one_of(owner, "dims", dims, CONVOLUTIONS)
    return CONVOLUTIONS[dims]
