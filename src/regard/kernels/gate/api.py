"""The application of a map to features by multiplication."""

from torch import Tensor

from regard.core.errors import ShapeError
from regard.kernels.choice import Impl, choose
from regard.kernels.gate.impl import reference
from regard.kernels.squeezed import Squeezed


def apply_gate(x: Tensor | Squeezed, map: Tensor, *, impl: Impl = "auto") -> Tensor:
    """x weighed by the map.

    Args:
        x: features (b, c, ...), or what `squeeze_positions` made of them.
        map: weights with as many axes as x, each of x's size or 1, for example (b, c, 1, 1) or (b, 1, h, w).
        impl: the implementation, see `choose`.

    Returns:
        x * map in x's dtype and with x's strides.

    Raises:
        ShapeError: a map that does not fit x (one that is larger where x has size 1 would enlarge the features).
        OptionError: an implementation that cannot be had.

    Example:
        >>> import torch
        >>> apply_gate(torch.ones(1, 2, 3), torch.full((1, 2, 1), 0.5)).sum().item()
        3.0
    """
    choose("apply_gate", impl)
    x = x._x if isinstance(x, Squeezed) else x
    if map.ndim != x.ndim or any(given != 1 and given != size for given, size in zip(map.shape, x.shape, strict=True)):
        raise ShapeError(
            f"apply_gate: map has shape {tuple(map.shape)} and x {tuple(x.shape)}; the map must have as many axes as "
            "x, each of x's size or of size 1."
        )
    return reference.apply_gate(x, map)
