"""Statistics of each channel over all positions, the input of a channel gate."""

from typing import Literal

from torch import Tensor

from regard.core.errors import ShapeError
from regard.core.options import one_of
from regard.kernels.choice import Impl, choose
from regard.kernels.operators import can_serve
from regard.kernels.squeeze.impl import cpu, reference
from regard.kernels.squeezed import Squeezed

Statistic = Literal["mean", "max", "std", "power"]
STATISTICS = ("mean", "max", "std", "power")


def squeeze_positions(x: Tensor, *statistics: Statistic, impl: Impl = "auto") -> Squeezed:
    """Compute the named statistics of x over its positions.

    Args:
        x: features (b, c, ...), at least one position axis, every size at least 1.
        statistics: `mean`, `max` (a tie shares the gradient evenly) or `std` (biased standard deviation,
            whose gradient is 0 where all positions are equal), or `power` (mean of squares).
        impl: the implementation, see `choose`.

    Returns:
        One tensor (b, c) for each statistic, in the order asked for, in at least float32; `apply_gate` takes them
        instead of x.

    Raises:
        ShapeError: an x without positions.
        OptionError: a statistic or an implementation that is not available.

    Example:
        >>> import torch
        >>> mean, peak = squeeze_positions(torch.tensor([[[1.0, 3.0]]]), "mean", "max")
        >>> mean.item(), peak.item()
        (2.0, 3.0)
    """
    if x.ndim < 3:
        raise ShapeError(f"squeeze_positions: x has shape {tuple(x.shape)}; it must be (b, c, ...) with positions.")
    for statistic in statistics:
        if statistic in STATISTICS:  # `one_of` takes longer than a small squeeze
            continue
        one_of("squeeze_positions", "statistics", statistic, STATISTICS)
    served = statistics in cpu.SERVED and can_serve(x)
    if choose("squeeze_positions", impl, ("cpu", "reference") if served else ("reference",)) == "cpu":
        made, linked, link = cpu.squeeze_positions(x, statistics)
        return Squeezed(x, made, linked, link, served=True)
    return Squeezed(x, reference.squeeze_positions(x, statistics))
