"""Convolutions by their number of position axes."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from regard.attention.products import without_autocast
from regard.core.options import one_of
from regard.core.precision import widen


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: int | str | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """PyTorch's convolution of x (b, c, ...) over three axes, right for halves on the CPU too.

    There the gradient of a kernel larger than the features is read from memory that nobody wrote, and may write beyond
    its own (PyTorch 2.15), so halves are convolved in float32.

    Example:
        >>> import torch
        >>> convolve(torch.ones(1, 1, 1, 1, 2), torch.ones(1, 1, 1, 1, 2)).flatten().tolist()
        [2.0]
    """
    if x.device.type != "cpu":
        return functional.conv3d(x, weight, bias, stride, padding, dilation, groups)
    with without_autocast(x):
        wide_bias = None if bias is None else widen(bias)
        y = functional.conv3d(widen(x), widen(weight), wide_bias, stride, padding, dilation, groups)
    return y.to(x.dtype)


class Conv3d(nn.Conv3d):
    """PyTorch's layer with zeros around the features, by `convolve`."""

    def forward(self, input: Tensor) -> Tensor:
        """(b, out_channels, ...)."""
        return convolve(
            input,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )


CONVOLUTIONS: dict[int, type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: Conv3d}


def convolution(owner: str, dims: int) -> type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]:
    """The convolution over `dims` position axes.

    >>> convolution("sse", 3).__name__
    'Conv3d'
    """
    one_of(owner, "dims", dims, CONVOLUTIONS)
    return CONVOLUTIONS[dims]
