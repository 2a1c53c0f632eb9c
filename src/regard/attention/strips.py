"""Convolutions of each channel by itself: along one axis, or over all of them."""

from typing import Any

from torch import nn

from regard.attention.layers import convolution


def strip_convolution(
    owner: str, dims: int, axis: int, channels: int, kernel_size: int, *, dilation: int = 1
) -> nn.Conv1d | nn.Conv2d | nn.Conv3d:
    """A biased depthwise convolution along one of `dims` position axes that keeps every size.

    Args:
        owner: whose options are checked.
        dims: position axes.
        axis: along which of them it runs, 0 the first; -1 the last.
        channels: of its input and output.
        kernel_size: odd.
        dilation: of the kernel.

    Example:
        >>> strip_convolution("lska", 2, -1, 4, 5).weight.shape
        torch.Size([4, 1, 1, 5])
    """
    along = range(dims)[axis]

    def one(value: int, rest: int) -> Any:
        return tuple(value if other == along else rest for other in range(dims))

    padding = one(dilation * (kernel_size // 2), 0)
    return convolution(owner, dims)(
        channels, channels, one(kernel_size, 1), padding=padding, dilation=one(dilation, 1), groups=channels
    )


def depthwise_convolution(
    owner: str, dims: int, channels: int, kernel_size: int, *, dilation: int = 1
) -> nn.Conv1d | nn.Conv2d | nn.Conv3d:
    """A biased depthwise convolution over all position axes that keeps every size; `kernel_size` is odd.

    >>> depthwise_convolution("lka", 2, 4, 7, dilation=3).padding
    (9, 9)
    """
    return convolution(owner, dims)(
        channels, channels, kernel_size, padding=dilation * (kernel_size // 2), dilation=dilation, groups=channels
    )
