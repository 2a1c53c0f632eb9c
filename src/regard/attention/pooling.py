"""Maxima and means over windows, by operators whose gradients are the same in every run on CUDA."""

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad


def halve(x: Tensor, *, border: bool = False) -> Tensor:
    """The maxima of x (b, c, ...) over windows of three that begin at every second position of each axis.

    A size n becomes n / 2, rounded up. At the end of an axis a window is cut off, so that an even size is pooled as by
    Caffe without padding. Equal values share the gradient.

    Args:
        x: floating point.
        border: begin a position before each axis instead, as PyTorch's pooling does with a padding of one.

    Example:
        >>> x = torch.tensor([[[1.0, 5.0, 2.0, 3.0]]])
        >>> halve(x).tolist(), halve(x, border=True).tolist(), halve(torch.ones(1, 1, 7)).shape
        ([[[5.0, 3.0]]], [[[5.0, 5.0]]], torch.Size([1, 1, 4]))
    """
    for axis in range(2, x.ndim):
        row = pad(x.movedim(axis, -1), (1, 1) if border else (0, 2), value=-math.inf)
        first, second, third = row[..., :-2:2], row[..., 1:-1:2], row[..., 2::2]
        x = torch.maximum(torch.maximum(first, second), third).movedim(-1, axis)
    return x


def surrounding_mean(x: Tensor, kernel_size: int) -> Tensor:
    """The mean of x (b, c, ...) over the window of `kernel_size` (odd) around each position, zeros beyond the edges.

    >>> surrounding_mean(torch.tensor([[[3.0, 6.0, 9.0]]]), 3).tolist()
    [[[3.0, 6.0, 5.0]]]
    """
    shape = x.shape
    if x.ndim == 4:
        return avg_pool2d(x, kernel_size, 1, kernel_size // 2)
    # One axis at a time: a pooling over three axes has a gradient that varies.
    for axis in range(2, x.ndim):
        row = x.reshape(shape[0], -1, shape[axis], math.prod(shape[axis + 1 :]))
        x = avg_pool2d(row, (kernel_size, 1), 1, (kernel_size // 2, 0))
    return x.reshape(shape)
