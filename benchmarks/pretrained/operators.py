"""The operators of ONNX that the networks of this benchmark use, as functions and as modules of PyTorch.

Their meaning is that of https://onnx.ai/onnx/operators/.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

import regard
from regard.core.errors import CheckpointError

INTEGERS = {6: torch.int32, 7: torch.int64}
"""ONNX's numbers of the types to which shapes are cast."""


def clip(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """x between both numbers."""
    return x.clamp(low, high)


def reshape(x: Tensor, shape: Tensor, allowzero: int = 0) -> Tensor:
    """x in that shape, where 0 keeps a size and -1 stands for the rest."""
    sizes = [x.shape[i] if size == 0 and not allowzero else size for i, size in enumerate(shape.tolist())]
    return x.reshape(sizes)


def shape(x: Tensor) -> Tensor:
    """The sizes of x, int64."""
    return torch.tensor(x.shape)


def cut(x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor, steps: Tensor | None = None) -> Tensor:
    """The part of x between the starts and the ends along the axes."""
    strides = [1] * len(axes) if steps is None else steps.tolist()
    for start, end, axis, stride in zip(starts.tolist(), ends.tolist(), axes.tolist(), strides, strict=True):
        part = [slice(None)] * x.ndim
        part[axis] = slice(start, end, stride)
        x = x[tuple(part)]
    return x


def concatenate(*parts: Tensor, axis: int) -> Tensor:
    """The parts behind one another."""
    return torch.cat(parts, axis)


def cast(x: Tensor, to: int) -> Tensor:
    """x as another type of integers.

    Raises:
        CheckpointError: another type; the networks here cast shapes only.
    """
    if to not in INTEGERS:
        raise CheckpointError(f"Cast: the type {to} is not known here; known are {sorted(INTEGERS)}, of integers.")
    return x.to(INTEGERS[to])


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """The softmax over an axis."""
    return x.softmax(axis)


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "Add": torch.add,
    "Cast": cast,
    "Clip": clip,
    "Concat": concatenate,
    "Div": torch.div,
    "Mul": torch.mul,
    "Reshape": reshape,
    "Shape": shape,
    "Slice": cut,
    "Softmax": softmax,
}
"""Operators without weights that become calls of a function."""


def convolution(weights: Sequence[Tensor], options: Mapping[str, Any]) -> nn.Module:
    """`Conv` over two axes, with equal padding on both sides."""
    weight, groups = weights[0], options.get("group", 1)
    layer = nn.Conv2d(
        weight.shape[1] * groups,
        len(weight),
        tuple(weight.shape[2:]),
        stride=tuple(options.get("strides", (1, 1))),
        padding=_padding("Conv", options),
        dilation=tuple(options.get("dilations", (1, 1))),
        groups=groups,
        bias=len(weights) > 1,
    )
    return _fill(layer, dict(zip(("weight", "bias"), weights, strict=False)))


def normalisation(weights: Sequence[Tensor], options: Mapping[str, Any]) -> nn.Module:
    """`BatchNormalization`; its momentum is that of the old statistics, PyTorch's that of the new ones."""
    names = ("weight", "bias", "running_mean", "running_var")
    layer = nn.BatchNorm2d(len(weights[0]), options.get("epsilon", 1e-5), 1 - options.get("momentum", 0.9))
    return _fill(layer, dict(zip(names, weights, strict=True)))


def linear(weights: Sequence[Tensor], options: Mapping[str, Any]) -> nn.Module:
    """`MatMul` with a matrix (inputs, outputs), and a joined bias."""
    layer = nn.Linear(*weights[0].shape, bias=len(weights) > 1)
    return _fill(layer, dict(zip(("weight", "bias"), (weights[0].T, *weights[1:]), strict=False)))


def squeeze_and_excitation(weights: Sequence[Tensor], options: Mapping[str, Any]) -> nn.Module:
    """Our `se` with the weights of both layers.

    Our hard sigmoid is l / 6 + 1/2 between 0 and 1. One with another slope s and offset o is ours of
    6 s l + 6 (o - 1/2), so both go into the last layer: networks of the first PaddleOCR have the slope 0.2.
    """
    reduce, reduce_bias, expand, expand_bias = weights
    hard = options["squash"] == "HardSigmoid"
    factor, shift = (6 * options["slope"], 6 * (options["offset"] - 0.5)) if hard else (1.0, 0.0)
    gate = regard.create("se", channels=len(expand), hidden=len(reduce), gate="hard_sigmoid" if hard else "sigmoid")
    return _fill(
        gate,
        {
            "reduce.weight": reduce.flatten(1),
            "reduce.bias": reduce_bias,
            "expand.weight": factor * expand.flatten(1),
            "expand.bias": factor * expand_bias + shift,
        },
    )


def pooling(weights: Sequence[Tensor], options: Mapping[str, Any]) -> nn.Module:
    """`MaxPool` over two axes."""
    return nn.MaxPool2d(
        tuple(options["kernel_shape"]),
        tuple(options.get("strides", (1, 1))),
        _padding("MaxPool", options),
        ceil_mode=bool(options.get("ceil_mode", 0)),
    )


LAYERS: dict[str, tuple[str, Callable[[Sequence[Tensor], Mapping[str, Any]], nn.Module]]] = {
    "BatchNormalization": ("norm", normalisation),
    "Conv": ("conv", convolution),
    "GlobalAveragePool": ("mean", lambda weights, options: nn.AdaptiveAvgPool2d(1)),
    "HardSwish": ("act", lambda weights, options: nn.Hardswish()),
    "MatMul": ("linear", linear),
    "MaxPool": ("pool", pooling),
    "Relu": ("act", lambda weights, options: nn.ReLU()),
    "SE": ("se", squeeze_and_excitation),
}
"""Operators that become modules: the beginning of the module's name, and the function that makes it."""


def _padding(kind: str, options: Mapping[str, Any]) -> tuple[int, int]:
    pads, automatic = tuple(options.get("pads", (0, 0, 0, 0))), options.get("auto_pad", b"NOTSET")
    if len(pads) != 4 or pads[:2] != pads[2:] or automatic != b"NOTSET":
        raise CheckpointError(
            f"{kind}: padding {pads} with auto_pad={automatic!r} is not known here; it must be explicit, of two axes "
            "and equal on both sides."
        )
    return pads[0], pads[1]


def _fill(layer: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    own = {name: tensor for name, tensor in layer.state_dict().items() if name != "num_batches_tracked"}
    given, wanted = ({n: tuple(t.shape) for n, t in tensors.items()} for tensors in (state, own))
    if given != wanted:
        raise CheckpointError(f"The file has {given} for {layer}, which needs {wanted}.")
    layer.load_state_dict({name: tensor.detach().clone() for name, tensor in state.items()}, strict=False)
    return layer
