"""The oracle in plain PyTorch."""

from collections.abc import Sequence

from torch import Tensor

from regard.core.precision import wide, widen


def squeeze_axes(x: Tensor) -> tuple[Tensor, ...]:
    """See `regard.kernels.axes.api.squeeze_axes`."""
    if x.ndim == 3:
        return (widen(x),)
    axes = range(2, x.ndim)
    return tuple(x.mean([other for other in axes if other != axis], dtype=wide(x.dtype)) for axis in axes)


def apply_axis_gates(x: Tensor, gates: Sequence[Tensor]) -> Tensor:
    """See `regard.kernels.axes.api.apply_axis_gates`."""
    for gate in gates:
        x = x * gate.to(x.dtype)
    return x
