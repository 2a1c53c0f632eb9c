"""The kernels for the CPU: weights by channel or by position, and the product of both."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from regard.core.precision import wide
from regard.kernels.operators import CHANNEL, POSITION, PRODUCT, laid_out_as
from regard.kernels.squeezed import Link


def mode_of(x: Tensor, gate: Tensor) -> int | None:
    """Whether there is a weight for each channel or for each position; None for any other gate.

    >>> mode_of(torch.ones(2, 3, 4), torch.ones(2, 3, 1)), mode_of(torch.ones(2, 3, 4), torch.ones(2, 1, 4))
    (0, 1)
    """
    size, given = x.shape, gate.shape
    if len(given) != len(size) or given[0] != size[0]:
        return None
    if given[1] == size[1] and gate.numel() == size[0] * size[1]:
        return CHANNEL
    return POSITION if given[1] == 1 and given[2:] == size[2:] else None


def apply_gate(x: Tensor, gate: Tensor, mode: int, linked: Tensor | None, link: Link | None) -> Tensor:
    """See `regard.kernels.gate.api.apply_gate`; `linked` is x as a squeeze gives it, see `Link`."""
    gate = fit(x, gate)
    if not (torch.is_grad_enabled() and (x.requires_grad or gate.requires_grad)):
        made: Tensor = torch.ops.regard.gate.default(x, *_by_mode(gate, mode), mode)
        return made
    if linked is None or link is None or link.is_taken:
        made = _Gate.apply(x, gate, mode, None)
        return made
    link.is_taken = True
    made = _Gate.apply(linked, gate, mode, link)
    return made


def apply_both(x: Tensor, channel: Tensor, position: Tensor, linked: Tensor | None, link: Link | None) -> Tensor:
    """The product of x, of a gate for each channel and of one for each position.

    With a link, x is as `squeeze_channels` gives it, which makes the gradient of the channels' gate, see `Link`.
    """
    position = fit(x, position)
    if linked is None or link is None:
        made: Tensor = torch.ops.regard.gate.default(x, channel, position, PRODUCT)
        return made
    link.is_taken = True
    made = _Product.apply(linked, channel.detach(), position, link)
    return made


def fit(x: Tensor, gate: Tensor) -> Tensor:
    """The gate as the operators take it: contiguous, in at least float32."""
    if gate.dtype != x.dtype or x.dtype == torch.bfloat16:
        gate = gate.to(wide(x.dtype))
    return gate.contiguous()


def _by_mode(gate: Tensor, mode: int) -> tuple[Tensor | None, Tensor | None]:
    return (gate, None) if mode == CHANNEL else (None, gate)


class _Gate(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor, mode: int, link: Link | None) -> Tensor:
        ctx.save_for_backward(x, gate)
        ctx.mode, ctx.link = mode, link
        made: Tensor = torch.ops.regard.gate.default(x, *_by_mode(gate, mode), mode)
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, gate = ctx.saved_tensors
        g, weights = laid_out_as(x, g), (*_by_mode(gate, ctx.mode), ctx.mode)
        to_gate = to_x = None
        if ctx.needs_input_grad[1]:
            asked = (ctx.mode == CHANNEL, ctx.mode == POSITION)
            sums = torch.ops.regard.gate_sums.default(g, x, *weights, None, None, None, None, None, *asked)
            to_gate = sums[asked.index(True)].view(gate.shape)
        if ctx.link is not None:
            ctx.link.channel, ctx.link.position, ctx.link.mode = weights
            to_x = g
        elif ctx.needs_input_grad[0]:
            to_x = torch.ops.regard.gate.default(g, *weights)
        return to_x, to_gate, None, None


class _Product(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, channel: Tensor, position: Tensor, link: Link) -> Tensor:
        ctx.save_for_backward(x, channel, position)
        ctx.link = link
        made: Tensor = torch.ops.regard.gate.default(x, channel, position, PRODUCT)
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, channel, position = ctx.saved_tensors
        g, to_gate = laid_out_as(x, g), None
        if ctx.needs_input_grad[2]:
            weights = (channel, position, PRODUCT)
            sums = torch.ops.regard.gate_sums.default(g, x, *weights, *(None,) * 5, False, True)
            to_gate = sums[1].view(position.shape)
        ctx.link.position = position
        return g, None, to_gate, None
