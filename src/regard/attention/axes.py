"""Features seen along one position axis at a time."""

from torch import Tensor

from regard.kernels import squeeze_axes


def axis_means(x: Tensor) -> list[Tensor]:
    """For each position axis of x (b, c, ...) the means over the others, (b, c, n), in at least float32.

    >>> import torch
    >>> [means.tolist() for means in axis_means(torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]]))]
    [[[[1.5, 4.5]]], [[[2.0, 4.0]]]]
    """
    return list(squeeze_axes(x))


def laid_along(values: Tensor, axis: int, dims: int) -> Tensor:
    """(b, c, n) as a map (b, c, ...) along the `axis`-th of `dims` position axes, of size 1 along the others.

    >>> import torch
    >>> laid_along(torch.zeros(2, 3, 5), 0, 2).shape
    torch.Size([2, 3, 5, 1])
    """
    return values.reshape(*values.shape[:2], *(1,) * axis, values.shape[2], *(1,) * (dims - axis - 1))
