"""The kernels for the CPU, of features and of features that a gate for each channel is held for."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from regard.kernels.operators import FOUND, NONE, PRODUCT, RAISED, UNASKED, laid_out_as
from regard.kernels.squeezed import Link


def squeeze_channels(
    x: Tensor, statistics: tuple[str, ...], gate: Tensor | None, link: Link | None
) -> tuple[tuple[Tensor, ...], Tensor | None, Link | None]:
    """See `regard.kernels.channel_stats.api.squeeze_channels`; also x as the gate shall take it, and their link.

    Args:
        x: features, or features as a squeeze gives them (then there are `gate` and `link`), see `Link`.
        statistics: `mean` and `max` in any order.
        gate: the weights (b, c, 1, ...) of the channels, or None.
        link: of the squeeze that the gate was made of.
    """
    if not torch.is_grad_enabled() or not (x.requires_grad or (gate is not None and gate.requires_grad)):
        return _order(statistics, *_measure(x, gate, RAISED if "max" in statistics else UNASKED)[:2]), None, None
    link = Link() if link is None else link
    linked, *made = _Across.apply(x, gate, statistics, link)
    return tuple(made), linked, link


def _measure(x: Tensor, gate: Tensor | None, maxima: int) -> tuple[Tensor, ...]:
    """The mean and the maximum of each position, (b, 1, ...), the channel that has it, and how many have it."""
    total, most, index, ties = torch.ops.regard.across.default(x, gate, maxima)
    shape = (x.shape[0], 1, *x.shape[2:])
    return total.div_(x.shape[1]).view(shape), most if maxima == UNASKED else most.view(shape), index, ties


def _order(statistics: tuple[str, ...], mean: Tensor, most: Tensor) -> tuple[Tensor, ...]:
    return tuple(mean if statistic == "mean" else most for statistic in statistics)


class _Across(Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gate: Tensor | None, statistics: tuple[str, ...], link: Link
    ) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        mean, most, index, ties = _measure(x, gate, FOUND if "max" in statistics else UNASKED)
        ctx.statistics, ctx.link = statistics, link
        ctx.save_for_backward(x, gate, most, index, ties)
        return (x, *_order(statistics, mean, most))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor | None, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        x, gate, *maxima = ctx.saved_tensors
        of, link = dict(zip(ctx.statistics, upstream, strict=True)), ctx.link
        if g is None:
            link.begin(None, None, NONE)
            g = torch.zeros_like(x)
        channel = maxima[0].new_ones(x.shape[:2]) if gate is None else gate
        position = link.position
        if position is None:
            position = channel.new_zeros(x.shape[0], 1, *x.shape[2:])
        mean, peak = of.get("mean"), of.get("max")
        w = None if mean is None else (mean / x.shape[1]).contiguous()
        tops = None if peak is None else (peak.contiguous(), *maxima)
        link.channel, link.position, link.mode = channel, position, PRODUCT
        link.leave(x, None if w is None else (w, channel), tops)
        if gate is None:
            return link.write(g, x), None, None, None
        g = laid_out_as(x, g)
        to_gate, _ = torch.ops.regard.gate_sums.default(
            g, x, channel, position, PRODUCT, w, *(tops or (None,) * 4), True, False
        )
        return g, to_gate.view(gate.shape), None, None
