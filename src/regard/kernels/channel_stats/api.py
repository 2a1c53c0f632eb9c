"""Statistics of each position over all channels, the input of a spatial gate."""

from typing import Literal

from torch import Tensor

from regard.core.errors import ShapeError
from regard.core.options import one_of
from regard.kernels.channel_stats.impl import reference
from regard.kernels.choice import Impl, choose

Statistic = Literal["mean", "max"]


def squeeze_channels(x: Tensor, *statistics: Statistic, impl: Impl = "auto") -> tuple[Tensor, ...]:
    """Compute the named statistics of x over its channels.

    Args:
        x: features (b, c, ...), at least one channel.
        statistics: `mean` or `max` (a tie shares the gradient evenly).
        impl: the implementation, see `choose`.

    Returns:
        One tensor (b, 1, ...) for each statistic, in the order asked for, in at least float32.

    Raises:
        ShapeError: an x without positions.
        OptionError: a statistic or an implementation that is not available.

    Example:
        >>> import torch
        >>> peak, mean = squeeze_channels(torch.tensor([[[1.0], [3.0]]]), "max", "mean")
        >>> peak.shape, mean.item()
        (torch.Size([1, 1, 1]), 2.0)
    """
    choose("squeeze_channels", impl)
    if x.ndim < 3:
        raise ShapeError(f"squeeze_channels: x has shape {tuple(x.shape)}; it must be (b, c, ...) with positions.")
    for statistic in statistics:
        one_of("squeeze_channels", "statistics", statistic, ("mean", "max"))
    return reference.squeeze_channels(x, statistics)
