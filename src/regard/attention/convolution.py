"""Convolutions by their number of position axes."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.conv import _ConvNd

from regard.attention.products import without_autocast
from regard.core.options import one_of
from regard.core.precision import widen

CONVOLVE: dict[int, Callable[..., Tensor]] = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}

LONGEST = 13
"""The longest last axis of a depthwise kernel that oneDNN convolves in float16 on every processor."""


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
    """PyTorch's convolution of x (b, c, ...) over one to three axes, right for halves on the CPU too.

    There some of a weight's gradient is left as the memory was, of a kernel larger than the features over three axes
    and of a stride larger than the features over any number (PyTorch 2.14), so these are convolved in float32. So are
    depthwise kernels longer than `LONGEST` in float16: on processors with AVX512-FP16 their convolution never ends.

    Example:
        >>> import torch
        >>> convolve(torch.ones(1, 1, 1, 1, 2), torch.ones(1, 1, 1, 1, 2)).flatten().tolist()
        [2.0]
    """
    own = CONVOLVE[weight.ndim - 2]
    steps = (stride,) if isinstance(stride, int) else stride
    if x.device.type != "cpu" or (weight.ndim < 5 and max(steps) == 1 and not _endless(x, weight, groups)):
        return own(x, weight, bias, stride, padding, dilation, groups)
    with without_autocast(x):
        wide_bias = None if bias is None else widen(bias)
        y = own(widen(x), widen(weight), wide_bias, stride, padding, dilation, groups)
    return y.to(x.dtype)


def _endless(x: Tensor, weight: Tensor, groups: int) -> bool:
    """Whether oneDNN may never end: with a long depthwise kernel in float16, as it is or by autocast."""
    long = groups == x.shape[1] and weight.shape[-1] > LONGEST
    return long and torch.float16 in (x.dtype, torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu"))


class _Convolution(_ConvNd):
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


class Conv1d(_Convolution, nn.Conv1d):
    """PyTorch's layer with zeros around the features, by `convolve`."""


class Conv2d(_Convolution, nn.Conv2d):
    """PyTorch's layer with zeros around the features, by `convolve`."""


class Conv3d(_Convolution, nn.Conv3d):
    """PyTorch's layer with zeros around the features, by `convolve`."""


CONVOLUTIONS: dict[int, type[Conv1d] | type[Conv2d] | type[Conv3d]] = {1: Conv1d, 2: Conv2d, 3: Conv3d}


def convolution(owner: str, dims: int) -> type[Conv1d] | type[Conv2d] | type[Conv3d]:
    """The convolution over `dims` position axes.

    >>> convolution("sse", 3).__name__
    'Conv3d'
    """
    one_of(owner, "dims", dims, CONVOLUTIONS)
    return CONVOLUTIONS[dims]
