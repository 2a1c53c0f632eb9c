"""The kernels for the CPU: weights by channel or by position, and the product of both."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from regard.core.precision import wide
from regard.kernels.operators import (
    CHANNEL,
    POSITION,
    PRODUCT,
    SHIFT,
    SIGMOID,
    SIGMOID_OF_PRODUCT,
    as_served,
    laid_out_as,
)
from regard.kernels.squeezed import Link


def mode_of(x: Tensor, gate: Tensor) -> int | None:
    """The mode of a gate that has a weight for each channel or for each position; None for any other gate.

    >>> mode_of(torch.ones(2, 3, 4), torch.ones(2, 3, 1)), mode_of(torch.ones(2, 3, 4), torch.ones(2, 1, 4))
    (0, 1)
    """
    size, given = x.shape, gate.shape
    if len(given) != len(size) or given[0] != size[0]:
        return None
    if given[1] == size[1] and gate.numel() == size[0] * size[1]:
        return CHANNEL
    return POSITION if given[1] == 1 and given[2:] == size[2:] else None


def fit(x: Tensor, gate: Tensor) -> Tensor:
    """The gate as the operators take it: contiguous, in at least float32."""
    if gate.dtype != x.dtype or x.dtype == torch.bfloat16:
        gate = gate.to(wide(x.dtype))
    return gate.contiguous()


def apply_gate(
    x: Tensor, channel: Tensor | None, position: Tensor | None, mode: int, linked: Tensor | None, link: Link | None
) -> Tensor:
    """Weight x by gates for its channels, its positions or both.

    Args:
        x: features (b, c, ...).
        channel: a number for each channel, (b, c, 1, ...), as `fit` gives it, or None.
        position: a number for each position, (b, 1, ...), as `fit` gives it, or None.
        mode: how they make a weight, see `regard.kernels.operators.CHANNEL` and its neighbours.
        linked: x as a squeeze gives it, see `Link`.
        link: of that squeeze.
    """
    trains = torch.is_grad_enabled() and (
        x.requires_grad
        or (channel is not None and channel.requires_grad)
        or (position is not None and position.requires_grad)
    )
    if not trains:
        made: Tensor = torch.ops.regard.gate.default(x, channel, position, mode)
        return made
    made = _Gate.apply(x if linked is None else linked, channel, position, mode, link)
    return made


def apply_held(x: Tensor, channel: Tensor, position: Tensor, linked: Tensor | None, link: Link | None) -> Tensor:
    """The product of x, of a gate for each channel and of one for each position.

    With a link, x is as `squeeze_channels` gives it, which makes the gradient of the channels' gate.
    """
    if link is not None:
        channel = channel.detach()
    return apply_gate(x, channel, fit(x, position), PRODUCT, linked, link)


class _Gate(Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, channel: Tensor | None, position: Tensor | None, mode: int, link: Link | None
    ) -> Tensor:
        ctx.save_for_backward(x, channel, position)
        ctx.mode, ctx.link = mode, link
        made: Tensor = torch.ops.regard.gate.default(x, channel, position, mode)
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, channel, position = ctx.saved_tensors
        mode, (to_x, *asked) = ctx.mode, ctx.needs_input_grad[:3]
        g = laid_out_as(x, g)
        made: list[Tensor | None] = [None, None]
        if any(asked):
            every = [True, True] if mode in (SIGMOID, SIGMOID_OF_PRODUCT) else asked
            sums = torch.ops.regard.gate_sums.default(g, x, channel, position, mode, *(None,) * 5, *every)
            parts = zip(sums, (channel, position), asked, strict=True)
            made = [total.view(gate.shape) if wanted else None for total, gate, wanted in parts]
        if ctx.link is not None:
            ctx.link.begin(channel, position, mode)
            return g, *made, None, None
        return torch.ops.regard.gate.default(g, channel, position, mode) if to_x else None, *made, None, None


def add_shift(x: Tensor, shift: Tensor, linked: Tensor | None, link: Link | None) -> Tensor:
    """x plus a number for each channel, (b, c, 1, ...)."""
    shift = fit(x, shift)
    if not (torch.is_grad_enabled() and (x.requires_grad or shift.requires_grad)):
        made: Tensor = torch.ops.regard.gate.default(x, shift, None, SHIFT)
        return made
    made = _Shift.apply(x if linked is None else linked, shift, link)
    return made


class _Shift(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, shift: Tensor, link: Link | None) -> Tensor:
        ctx.link = link
        made: Tensor = torch.ops.regard.gate.default(x, shift, None, SHIFT)
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        g = as_served(g)
        to_shift = torch.ops.regard.squeeze_mean.default(g) * math.prod(g.shape[2:])
        if ctx.link is not None:
            ctx.link.begin(torch.ones_like(to_shift), None, CHANNEL)
        return g, to_shift.view(*g.shape[:2], *(1,) * (g.ndim - 2)), None
