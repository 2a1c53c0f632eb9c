"""The kernels for the CPU; see `regard.kernels.squeezed.Link` for how the backward pass is joined with a gate's."""

import math
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from regard.kernels.operators import NONE
from regard.kernels.squeezed import Link

SERVED = (("mean",), ("max",), ("mean", "max"), ("max", "mean"), ("mean", "std"), ("power",))
"""The statistics, in their order, that one operator makes."""


def squeeze_positions(x: Tensor, statistics: tuple[str, ...]) -> tuple[tuple[Tensor, ...], Tensor | None, Link | None]:
    """See `regard.kernels.squeeze.api.squeeze_positions`; also x as the gate shall take it, and their link."""
    if not (torch.is_grad_enabled() and x.requires_grad):
        return _pick(_measure(x, statistics, False), statistics), None, None
    link = Link()
    linked, *made = _Squeeze.apply(x, statistics, link)
    return tuple(made), linked, link


def _measure(x: Tensor, statistics: tuple[str, ...], trains: bool) -> tuple[Tensor, ...]:
    if statistics == ("mean",):
        return (torch.ops.regard.squeeze_mean.default(x),)
    if statistics == ("power",):
        return (torch.ops.regard.squeeze_power.default(x),)
    if "max" in statistics:
        made: tuple[Tensor, ...] = torch.ops.regard.squeeze_peak.default(x, trains)
        return made
    made = torch.ops.regard.squeeze_spread.default(x)
    return made


def _pick(made: tuple[Tensor, ...], statistics: tuple[str, ...]) -> tuple[Tensor, ...]:
    """The statistics in the order asked for, of what the operator made: the mean, another one, where it is."""
    if statistics == ("max",):
        return (made[1],)
    return made[1::-1] if statistics == ("max", "mean") else made[: len(statistics)]


class _Squeeze(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, statistics: tuple[str, ...], link: Link) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        made = _measure(x, statistics, True)
        ctx.statistics, ctx.link, ctx.shape = statistics, link, x.shape
        ctx.save_for_backward(*(() if statistics == ("mean",) else (x, *made)))
        return (x, *_pick(made, statistics))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor | None, *upstream: Tensor | None) -> tuple[Tensor | None, None, None]:
        positions = math.prod(ctx.shape[2:])
        of = dict(zip(ctx.statistics, upstream, strict=True))
        link = ctx.link
        if g is None:
            link.begin(None, None, NONE)
            if not ctx.saved_tensors:
                mean = of["mean"]
                return None if mean is None else _spread_evenly(mean / positions, ctx.shape), None, None
        # the gradient of a mean needs no features
        saved = ctx.saved_tensors or (g if link.features is None else link.features,)
        x, made = cast(Tensor, saved[0]), cast(tuple[Any, ...], saved[1:])
        u = v = None
        peaks: tuple[Tensor, ...] = ()
        if of.get("mean") is not None:
            u = of["mean"] / positions
        if of.get("max") is not None:
            peaks = (of["max"].contiguous(), *made[1:])
        if of.get("std") is not None:  # whose gradient is 0 where all positions are equal
            mean, std = made
            v = torch.where(std > 0, of["std"] / (std * positions), 0)
            u = -v * mean if u is None else u - v * mean
        if of.get("power") is not None:
            v = of["power"] * (2 / positions)
        return link.write(cast(Tensor, g), x, u, v, *peaks), None, None


def _spread_evenly(values: Tensor, shape: torch.Size) -> Tensor:
    return values.reshape(*shape[:2], *(1,) * (len(shape) - 2)).expand(shape)
