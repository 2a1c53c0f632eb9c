"""The convolution of every image with a kernel of its own, as dynamic convolutions mix one."""

import math
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from regard.attention.layers import convolve
from regard.core.errors import OptionError


def convolve_each(x: Tensor, kernels: Tensor, *, stride: int = 1, groups: int = 1) -> Tensor:
    """x (b, c, ...) convolved image by image, padded with zeros so that a stride of 1 keeps the size.

    It is one convolution of b times `groups` groups, which needs no more memory than an ordinary one. A graph, compiled
    or exported, cannot hold a number of groups that follows the batch: there it is the product of the kernels with the
    columns of x, the same sums with k times the memory for a kernel of k positions.

    Args:
        x: features (b, c, ...), in the kernels' dtype.
        kernels: (b, out, c / groups, ...), with an odd size for each position axis of x.
        stride: of every axis.
        groups: of each image's convolution; divides c and out.

    Returns:
        (b, out, ...), each size divided by the stride, rounded up.

    Example:
        >>> kernels = torch.tensor([[[[0.0, 1.0, 0.0]]], [[[0.0, 2.0, 0.0]]]])
        >>> convolve_each(torch.ones(2, 1, 4), kernels, stride=2).tolist()
        [[[1.0, 1.0]], [[2.0, 2.0]]]
    """
    if torch.compiler.is_compiling():
        return _of_columns(x, kernels, stride, groups)
    return _in_groups(x, kernels, stride, groups)


def mix_kernels(shares: Tensor, kernels: Tensor) -> Tensor:
    """(b, ...): for each image the sum of k kernels (k, ...), weighted by its shares (b, k, 1, ...).

    >>> mix_kernels(torch.tensor([[0.5, 0.5], [1.0, 0.0]]), torch.tensor([[1.0], [3.0]])).tolist()
    [[2.0], [1.0]]
    """
    mixed = shares.flatten(1).to(kernels.dtype) @ kernels.flatten(1)
    return mixed.reshape(-1, *kernels.shape[1:])


def expect_identity(owner: str, start: str, channels: int, out_channels: int, stride: int) -> None:
    """Raises an `OptionError` where a convolution is to start as the identity and its output has another shape."""
    if start == "identity" and (out_channels != channels or stride != 1):
        raise OptionError(
            f"{owner}: start='identity' is not allowed with out_channels={out_channels} and stride={stride}; the "
            f"output must have the shape of the input, {channels} channels: leave both out, or use start='paper'."
        )


def _in_groups(x: Tensor, kernels: Tensor, stride: int, groups: int) -> Tensor:
    batch, size = x.shape[0], kernels.shape[3:]
    padding = tuple(n // 2 for n in size)
    y = convolve(
        x.reshape(1, -1, *x.shape[2:]),
        kernels.flatten(0, 1),
        stride=stride,
        padding=padding,
        groups=batch * groups,
    )
    return y.reshape(batch, kernels.shape[1], *y.shape[2:])


def _of_columns(x: Tensor, kernels: Tensor, stride: int, groups: int) -> Tensor:
    batch, size, positions = x.shape[0], kernels.shape[3:], x.shape[2:]
    padded = functional.pad(x, [n // 2 for n in reversed(size) for _ in range(2)])
    shifted = []
    for offset in product(*map(range, size)):
        window = padded
        for axis, (first, n) in enumerate(zip(offset, positions, strict=True), start=2):
            window = window.movedim(axis, -1)[..., first : first + n : stride].movedim(-1, axis)
        shifted.append(window)
    columns = torch.stack(shifted, 2).reshape(batch, groups, x.shape[1] // groups * math.prod(size), -1)
    weights = kernels.reshape(batch, groups, kernels.shape[1] // groups, columns.shape[2])
    return (weights @ columns).reshape(batch, kernels.shape[1], *shifted[0].shape[2:])
