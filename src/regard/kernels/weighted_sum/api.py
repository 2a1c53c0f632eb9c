"""Weighted sums: the score of each position, the context of all positions."""

from torch import Tensor

from regard.core.errors import ShapeError
from regard.kernels.choice import Impl, choose
from regard.kernels.operators import can_serve
from regard.kernels.squeezed import Link, Squeezed
from regard.kernels.weighted_sum.impl import cpu, reference


def sum_channels(x: Tensor | Squeezed, weight: Tensor, *, impl: Impl = "auto") -> Squeezed:
    """The sum of each position's channels by one weight a channel, as a convolution of size 1 to one channel makes it.

    Args:
        x: features (b, c, ...), or the result of a squeeze of them.
        weight: (c,).
        impl: the implementation, see `choose`.

    Returns:
        One tensor (b, 1, ...) in at least float32; `apply_gate` and its neighbours take it instead of x.

    Raises:
        ShapeError: weights that do not fit x.
        OptionError: an implementation that is not available.

    Example:
        >>> import torch
        >>> (scores,) = sum_channels(torch.tensor([[[1.0, 3.0], [2.0, 4.0]]]), torch.tensor([1.0, 10.0]))
        >>> scores.tolist()
        [[[21.0, 43.0]]]
    """
    features = x._x if isinstance(x, Squeezed) else x
    if features.ndim < 3 or weight.shape != features.shape[1:2]:
        raise ShapeError(
            f"sum_channels: weight has shape {tuple(weight.shape)} and x {tuple(features.shape)}; they must be (c,) "
            "and (b, c, ...) with positions."
        )
    if choose("sum_channels", impl, _served(x)) == "cpu":
        made, linked, link = cpu.sum_channels(features, weight, *_take(x))
        return Squeezed(features, (made,), linked, link, served=True)
    return Squeezed(features, (reference.sum_channels(features, weight),))


def sum_positions(x: Tensor | Squeezed, weights: Tensor, *, impl: Impl = "auto") -> Squeezed:
    """The sum of each channel's positions by one weight a position.

    Args:
        x: features (b, c, ...), or the result of a squeeze of them.
        weights: (b, 1, ...).
        impl: the implementation, see `choose`.

    Returns:
        One tensor (b, c) in at least float32; `apply_gate` and its neighbours take it instead of x.

    Raises:
        ShapeError: weights that do not fit x.
        OptionError: an implementation that is not available.

    Example:
        >>> import torch
        >>> (context,) = sum_positions(torch.tensor([[[1.0, 3.0], [2.0, 4.0]]]), torch.tensor([[[0.5, 0.5]]]))
        >>> context.tolist()
        [[2.0, 3.0]]
    """
    features = x._x if isinstance(x, Squeezed) else x
    if features.ndim < 3 or weights.shape != (features.shape[0], 1, *features.shape[2:]):
        raise ShapeError(
            f"sum_positions: weights have shape {tuple(weights.shape)} and x {tuple(features.shape)}; they must be "
            "(b, 1, ...) and (b, c, ...) with the same positions."
        )
    if choose("sum_positions", impl, _served(x)) == "cpu":
        made, linked, link = cpu.sum_positions(features, weights, *_take(x))
        return Squeezed(features, (made,), linked, link, served=True)
    return Squeezed(features, (reference.sum_positions(features, weights),))


def _served(x: Tensor | Squeezed) -> tuple[str, ...]:
    served = x._served if isinstance(x, Squeezed) else can_serve(x)
    return ("cpu", "reference") if served else ("reference",)


def _take(x: Tensor | Squeezed) -> tuple[Tensor | None, Link | None]:
    return x._take() if isinstance(x, Squeezed) else (None, None)
