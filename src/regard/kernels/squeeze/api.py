"""Statistics of each channel over all positions: what a channel gate looks at."""

from typing import Literal

from torch import Tensor

from regard.core.errors import ShapeError
from regard.core.options import one_of
from regard.kernels.choice import Impl, choose
from regard.kernels.squeeze.impl import reference
from regard.kernels.squeezed import Squeezed

Statistic = Literal["mean", "max", "deviation"]


def squeeze_positions(x: Tensor, *statistics: Statistic, impl: Impl = "auto") -> Squeezed:
    """The named statistics of x over its positions.

    Args:
        x: features (b, c, ...), at least one position axis, every size at least 1.
        statistics: `mean`, `max` (a tie shares the gradient evenly) or `deviation` (biased standard
            deviation, whose gradient is 0 where all positions are equal).
        impl: the implementation, see `choose`.

    Returns:
        One tensor (b, c) for each statistic, in the order asked for, in at least float32; `apply_gate` takes them in
        place of x.

    Raises:
        ShapeError: an x without positions.
        OptionError: a statistic or an implementation that cannot be had.

    Example:
        >>> import torch
        >>> mean, peak = squeeze_positions(torch.tensor([[[1.0, 3.0]]]), "mean", "max")
        >>> mean.item(), peak.item()
        (2.0, 3.0)
    """
    choose("squeeze_positions", impl)
    if x.ndim < 3:
        raise ShapeError(f"squeeze_positions: x has shape {tuple(x.shape)}; it must be (b, c, ...) with positions.")
    for statistic in statistics:
        one_of("squeeze_positions", "statistics", statistic, ("mean", "max", "deviation"))
    return Squeezed(x, reference.squeeze_positions(x, statistics))
