"""Statistics of each position over all channels, the input of a spatial gate."""

from typing import Literal

import torch
from torch import Tensor

from regard.core.errors import ShapeError
from regard.core.options import one_of
from regard.kernels.channel_stats.impl import cpu, reference
from regard.kernels.choice import Impl, choose
from regard.kernels.gate.api import apply_gate
from regard.kernels.operators import POSITION, can_serve
from regard.kernels.squeezed import Held, Squeezed

Statistic = Literal["mean", "max"]
STATISTICS = ("mean", "max")


def squeeze_channels(x: Tensor | Held, *statistics: Statistic, impl: Impl = "auto") -> Squeezed:
    """Compute the named statistics of x over its channels.

    Args:
        x: features (b, c, ...), at least one channel, or what `hold_gate` gave.
        statistics: `mean` or `max` (a tie shares the gradient evenly).
        impl: the implementation, see `choose`.

    Returns:
        One tensor (b, 1, ...) for each statistic, in the order asked for, in at least float32; `apply_gate` takes them
        instead of x.

    Raises:
        ShapeError: an x without positions.
        OptionError: a statistic or an implementation that is not available.

    Example:
        >>> import torch
        >>> peak, mean = squeeze_channels(torch.tensor([[[1.0], [3.0]]]), "max", "mean")
        >>> peak.shape, mean.item()
        (torch.Size([1, 1, 1]), 2.0)
    """
    gate = link = linked = None
    if isinstance(x, Held):
        gate, squeezed = x._gate, x._squeezed
        x, (linked, link) = squeezed._x, squeezed._take()
        trains = torch.is_grad_enabled() and (x.requires_grad or gate.requires_grad)
        if (linked is None and trains) or len(set(statistics)) < len(statistics):
            x, gate, linked = apply_gate(x, gate), None, None  # the features went on already, or no kernel serves
    if x.ndim < 3:
        raise ShapeError(f"squeeze_channels: x has shape {tuple(x.shape)}; it must be (b, c, ...) with positions.")
    for statistic in statistics:
        if statistic not in STATISTICS:
            one_of("squeeze_channels", "statistics", statistic, STATISTICS)
    served = gate is not None or (len(set(statistics)) == len(statistics) and can_serve(x))
    if choose("squeeze_channels", impl, ("cpu", "reference") if served else ("reference",)) == "cpu":
        made, linked, link = cpu.squeeze_channels(x if linked is None else linked, statistics, gate, link)
        modes = (POSITION,) if gate is None else None
        return Squeezed(x, made, linked, link, served=True, channel=gate, modes=modes)
    if gate is not None:
        x = x * gate
    return Squeezed(x, reference.squeeze_channels(x, statistics))
