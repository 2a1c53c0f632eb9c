"""Parts of mechanisms: layers in their own dtype, normalisers in at least float32, the application of a gate."""

import math
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from regard.core.errors import OptionError, ShapeError
from regard.core.features import Features
from regard.core.options import at_least, flag, one_of
from regard.core.precision import HALF_PRECISION, widen
from regard.core.products import autocast_dtype, without_autocast
from regard.core.tap import Tap
from regard.kernels import Squeezed, apply_gate, convolve_planes

CONVOLVE: dict[int, Callable[..., Tensor]] = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}

LEAVES_GRADIENTS_UNWRITTEN = torch.__version__ < "2.15"
"""On the CPU, in half precision, PyTorch up to 2.14 leaves some of a convolution's weight gradient uninitialised: where
a kernel over three axes or a stride over any is larger than the features. No issue upstream was found."""

LONGEST = 13
"""The longest last axis of a depthwise kernel that oneDNN convolves in float16 on every processor: on those with
AVX512-FP16 a longer one never ends."""


class Rescaling(Features):
    """A mechanism whose last act multiplies the features by its map."""

    def show(self, x: Tensor | Squeezed, tap: nn.Module, gate: Tensor) -> Tensor:
        """The gate as it is applied: held back by the strength, past the tap, with as many axes as x."""
        assert isinstance(tap, Tap)
        gate = over_positions(gate, x)
        if self.strength is not None:
            gate = self.temper(gate, tap.level(gate))
        shown: Tensor = tap(gate)
        return shown

    def rescale(self, x: Tensor | Squeezed, tap: nn.Module, gate: Tensor) -> Tensor:
        """x times the gate, whose trailing axes of size 1 may be left out, as it passes the tap."""
        return apply_gate(x, self.show(x, tap, gate))


def over_positions(values: Tensor, x: Tensor | Squeezed) -> Tensor:
    """Values such as (b, c) as a map (b, c, 1, ...) with as many axes as x.

    >>> over_positions(torch.zeros(2, 8), torch.zeros(2, 8, 5, 5)).shape
    torch.Size([2, 8, 1, 1])
    """
    missing = x.ndim - values.ndim
    return values.reshape(*values.shape, *(1,) * missing) if missing else values


def sigmoid(logits: Tensor) -> Tensor:
    """The sigmoid, in at least float32."""
    return torch.sigmoid(widen(logits))


def hard_sigmoid(logits: Tensor) -> Tensor:
    """The piecewise linear relu6(l + 3) / 6, in at least float32."""
    return functional.hardsigmoid(widen(logits))


def softmax(logits: Tensor, axis: int) -> Tensor:
    """The softmax over an axis, in at least float32."""
    return torch.softmax(widen(logits), axis)


def masked_softmax(logits: Tensor, mask: Tensor | None, axis: int) -> Tensor:
    """The softmax over an axis of those that the mask allows, in at least float32; zeros where it allows none.

    >>> masked_softmax(torch.zeros(2, 2), torch.tensor([[True, False], [False, False]]), 1).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    if mask is None:
        return softmax(logits, axis)
    logits = widen(logits).masked_fill(~mask, -torch.inf)
    peak = logits.amax(axis, keepdim=True).detach()
    parts = torch.exp(logits - torch.where(peak.isfinite(), peak, 0))
    return parts / parts.sum(axis, keepdim=True).clamp_min(torch.finfo(parts.dtype).tiny)


class Linear(nn.Linear):
    """PyTorch's layer, of an x in any dtype, in the dtype of its weight."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., out_features)."""
        return functional.linear(in_dtype_of(self.weight, input), self.weight, self.bias)

    def logits(self, input: Tensor) -> Tensor:
        """(..., out_features), in at least float32."""
        return widen(self(input))


class _Convolution(_ConvNd):
    def forward(self, input: Tensor) -> Tensor:
        """(b, out_channels, ...)."""
        return convolve(
            in_dtype_of(self.weight, input),
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    def logits(self, input: Tensor) -> Tensor:
        """(b, out_channels, ...), in at least float32."""
        return widen(self(input))


class Conv1d(_Convolution, nn.Conv1d):
    """PyTorch's layer with zeros around the features, of an x in any dtype, in the dtype of its weight."""


class Pointwise1d(nn.Conv1d):
    """PyTorch's layer with a kernel of one, as a product of a matrix with all positions of x in any dtype.

    In memory the channels of the result lie side by side; where those of x do, nothing is copied.

    Args:
        features: number of channels of x.
        out_features: number of channels of the result.
        bias: whether there is a bias.
    """

    def __init__(self, features: int, out_features: int, *, bias: bool = True) -> None:
        super().__init__(features, out_features, 1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """(b, out_features, n)."""
        positions = in_dtype_of(self.weight, input).transpose(1, 2)
        y = functional.linear(positions.flatten(0, 1), self.weight.squeeze(2), self.bias)
        return y.unflatten(0, positions.shape[:2]).transpose(1, 2)


class Conv2d(_Convolution, nn.Conv2d):
    """PyTorch's layer with zeros around the features, of an x in any dtype, in the dtype of its weight."""


class Conv3d(_Convolution, nn.Conv3d):
    """PyTorch's layer with zeros around the features, of an x in any dtype, in the dtype of its weight."""


class GroupedLinear(nn.Conv1d):
    """A linear layer by groups of channels, with the parameters of a convolution over one position.

    Where there is one group it is computed as a product of matrices, which takes a fraction of the time.
    """

    def __init__(self, channels: int, width: int, groups: int) -> None:
        super().__init__(channels, width, 1, groups=groups)

    def forward(self, input: Tensor) -> Tensor:
        """(b, width), of an input (b, channels) in any dtype, in the dtype of the weight."""
        values = in_dtype_of(self.weight, input)
        if self.groups == 1:
            return functional.linear(values, self.weight.squeeze(2), self.bias)
        return convolve(values.unsqueeze(2), self.weight, self.bias, groups=self.groups).squeeze(2)

    def logits(self, input: Tensor) -> Tensor:
        """(b, width), in at least float32."""
        return widen(self(input))


CONVOLUTIONS: dict[int, type[Conv1d] | type[Conv2d] | type[Conv3d]] = {1: Conv1d, 2: Conv2d, 3: Conv3d}


def convolution(owner: str, dims: int) -> type[Conv1d] | type[Conv2d] | type[Conv3d]:
    """The convolution over `dims` position axes.

    >>> convolution("sse", 3).__name__
    'Conv3d'
    """
    one_of(owner, "dims", dims, CONVOLUTIONS)
    return CONVOLUTIONS[dims]


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
    """PyTorch's convolution of x (b, c, ...) over one to three axes, with every gradient in half precision too.

    >>> convolve(torch.ones(1, 1, 2), torch.ones(1, 1, 2)).flatten().tolist()
    [2.0]
    """
    if (
        weight.shape[0] == 1 < weight.shape[1]
        and bias is None
        and _keeps_size(weight, stride, padding, dilation, groups)
    ):
        return convolve_planes(x, weight)
    own = CONVOLVE[weight.ndim - 2]
    strided = max((stride,) if isinstance(stride, int) else stride) > 1
    unwritten = LEAVES_GRADIENTS_UNWRITTEN and (strided or weight.ndim == 5)
    endless = groups == x.shape[1] and weight.shape[-1] > LONGEST and torch.float16 in (x.dtype, autocast_dtype(x))
    if not ((unwritten or endless) and _in_half_on_the_cpu(x)):
        return own(x, weight, bias, stride, padding, dilation, groups)
    with without_autocast(x):
        wide_bias = None if bias is None else widen(bias)
        y = own(widen(x), widen(weight), wide_bias, stride, padding, dilation, groups)
    return y.to(x.dtype)


def _keeps_size(
    weight: Tensor,
    stride: int | Sequence[int],
    padding: int | str | Sequence[int],
    dilation: int | Sequence[int],
    groups: int,
) -> bool:
    """Returns whether it is an ordinary convolution by a square of odd size, with zeros that keep the size."""
    side = weight.shape[-1]
    square = weight.ndim == 4 and weight.shape[2] == side and side % 2 == 1 and groups == 1
    plain = (stride, dilation, padding) in ((1, 1, side // 2), ((1, 1), (1, 1), (side // 2, side // 2)))
    return square and plain


def in_dtype_of(weight: Tensor, x: Tensor) -> Tensor:
    """x in the dtype of the weight; under autocast half precision stays, for it would be cast back."""
    if x.dtype == weight.dtype or (
        x.dtype in HALF_PRECISION and weight.dtype == torch.float32 and autocast_dtype(x) is not None
    ):
        return x
    return x.to(weight.dtype)


def _in_half_on_the_cpu(x: Tensor) -> bool:
    return x.device.type == "cpu" and (x.dtype in HALF_PRECISION or autocast_dtype(x) is not None)


class Norm(_BatchNorm):
    """Batch normalisation of (b, c) or (b, c, ...) with any number of position axes.

    In training a batch of one image whose map has one position gives one value per channel: its variance is 0 and
    PyTorch refuses it. Here the running statistics are used instead, with one warning; `strict=True` raises.

    Args:
        features: number of channels.
        momentum: the weight of the newest statistics in the running ones (PyTorch's sense).
        eps: added to the variance.
        strict: raise a `ShapeError` instead of using the running statistics.
    """

    def __init__(self, features: int, *, momentum: float = 0.1, eps: float = 1e-5, strict: bool = False) -> None:
        super().__init__(features, eps=eps, momentum=momentum)
        self.strict = strict
        self._warned = False

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ShapeError(f"Norm: input has shape {tuple(input.shape)}; it must be (b, c) or (b, c, ...).")

    def forward(self, input: Tensor) -> Tensor:
        """The normalised features, same shape."""
        self._check_input_dim(input)
        input = in_dtype_of(self.weight, input)
        if self.training and input.numel() == input.shape[1]:
            self._report_single_value(input)
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        if input.shape[0] == 1 and input.ndim > 3 and not torch.compiler.is_compiling():
            # For a batch of one PyTorch's backward pass on the CPU takes features that lie as tokens, with an arbitrary
            # stride of the batch, for another layout, and gives wrong gradients in silence; with one axis it does not.
            return super().forward(input.flatten(2)).reshape(input.shape)
        return super().forward(input)

    def _report_single_value(self, input: Tensor) -> None:
        rule = (
            f"Batch normalisation over {input.shape[1]} channels saw one value per channel (a batch of one image), "
            "whose variance is 0"
        )
        if self.strict:
            raise ShapeError(f"{rule}: train with batches of two or more, or build the module with strict=False.")
        if not self._warned and not torch.compiler.is_compiling():
            self._warned = True
            warnings.warn(f"{rule}; it used its running statistics instead.", stacklevel=2)


def bottleneck(
    owner: str, channels: int, reduction: int, bias: bool, hidden: int | None = None, minimum: int = 1
) -> tuple[Linear, Linear]:
    """A layer that narrows to the units of `hidden_width`, and one that widens again.

    >>> [layer.out_features for layer in bottleneck("se", 64, 16, True)]
    [4, 64]
    """
    hidden = hidden_width(owner, channels, reduction, hidden, minimum)
    flag(owner, "bias", bias)
    return Linear(channels, hidden, bias=bias), Linear(hidden, channels, bias=bias)


def hidden_width(owner: str, channels: int, reduction: int, hidden: int | None = None, minimum: int = 1) -> int:
    """`hidden` where it is given; else channels / reduction rounded down, but never under `minimum`.

    The minimum is at least 1: a hidden layer of width 0 would ignore its input.

    >>> hidden_width("se", 64, 16), hidden_width("se", 8, 16), hidden_width("se", 64, 16, minimum=8)
    (4, 1, 8)
    >>> hidden_width("se", 120, 16, hidden=32)
    32
    """
    width = max(at_least(owner, "min_hidden", minimum, 1), channels // at_least(owner, "reduction", reduction, 1))
    return width if hidden is None else at_least(owner, "hidden", hidden, 1)


def group_count(owner: str, groups: int | None, default: int, *channels: int) -> int:
    """`groups` where it divides all `channels`; None means what `default` and the channels share.

    >>> group_count("sk", None, 32, 128, 128), group_count("sk", None, 32, 48, 48)
    (32, 16)
    """
    if groups is None:
        return math.gcd(default, *channels)
    at_least(owner, "groups", groups, 1)
    if any(count % groups for count in channels):
        counts = " and ".join(str(count) for count in dict.fromkeys(channels))
        raise OptionError(
            f"{owner}: groups={groups} is not allowed; it must divide the channels, {counts} "
            f"(try {math.gcd(groups, *channels)})."
        )
    return groups
