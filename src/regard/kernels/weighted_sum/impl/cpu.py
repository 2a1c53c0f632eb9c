"""The kernels for the CPU; see `regard.kernels.squeezed.Link` for how the backward passes are joined."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from regard.core.precision import wide
from regard.core.products import wide_product
from regard.kernels.operators import NONE, UNASKED
from regard.kernels.squeezed import Link, nothing_above


def sum_channels(
    x: Tensor, weight: Tensor, linked: Tensor | None, link: Link | None
) -> tuple[Tensor, Tensor | None, Link | None]:
    """See `regard.kernels.weighted_sum.api.sum_channels`; also x as the next one takes it, and their link."""
    weight = weight.to(wide(x.dtype))
    if not (torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)):
        return _over_channels(x, weight), None, None
    own = Link() if link is None else link
    linked, scores = _Channels.apply(x if linked is None else linked, weight, own, link is None)
    return scores, linked, own


def sum_positions(
    x: Tensor, weights: Tensor, linked: Tensor | None, link: Link | None
) -> tuple[Tensor, Tensor | None, Link | None]:
    """See `regard.kernels.weighted_sum.api.sum_positions`; also x as the next one takes it, and their link."""
    weights = weights.to(wide(x.dtype)).contiguous()
    if not (torch.is_grad_enabled() and (x.requires_grad or weights.requires_grad)):
        return _over_positions(x, weights), None, None
    own = Link() if link is None else link
    linked, sums = _Positions.apply(x if linked is None else linked, weights, own, link is None)
    return sums, linked, own


def _over_channels(x: Tensor, weight: Tensor) -> Tensor:
    """(b, 1, ...), of weights (c,) or (b, c)."""
    total = torch.ops.regard.across.default(x, weight.expand(x.shape[:2]).contiguous(), UNASKED)[0]
    made: Tensor = total.view(x.shape[0], 1, *x.shape[2:])
    return made


def _over_positions(x: Tensor, weights: Tensor) -> Tensor:
    """(b, c), of weights (b, 1, ...)."""
    row = weights.reshape(x.shape[0], 1, -1)
    if x.is_contiguous():
        return wide_product(x.flatten(2), row.mT).squeeze(2)
    return wide_product(row, x.movedim(1, -1).flatten(1, -2)).squeeze(1)


class _Channels(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, link: Link, is_first: bool) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        ctx.link, ctx.is_first = link, is_first
        ctx.save_for_backward(x, weight)
        return x, _over_channels(x, weight)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, g: Tensor | None, upstream: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None, None, None]:
        (x, weight), link = ctx.saved_tensors, ctx.link
        if g is None:
            link.begin(None, None, NONE)
            g = nothing_above(x)
        to_weight, outer = None, None
        if upstream is not None:
            upstream = upstream.contiguous()
            to_weight = _over_positions(x, upstream).sum(0) if ctx.needs_input_grad[1] else None
            outer = (upstream, weight.expand(x.shape[:2]).contiguous())
        link.leave(x, outer)
        if ctx.is_first:
            g = link.write(g, x) if ctx.needs_input_grad[0] else None
        return g, to_weight, None, None


class _Positions(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor, link: Link, is_first: bool) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        ctx.link, ctx.is_first = link, is_first
        ctx.save_for_backward(x, weights)
        return x, _over_positions(x, weights)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, g: Tensor | None, upstream: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None, None, None]:
        (x, weights), link = ctx.saved_tensors, ctx.link
        if g is None:
            link.begin(None, None, NONE)
            g = nothing_above(x)
        to_weights, outer = None, None
        if upstream is not None:
            upstream = upstream.contiguous()
            to_weights = _over_channels(x, upstream) if ctx.needs_input_grad[1] else None
            outer = (weights, upstream)
        link.leave(x, outer)
        if ctx.is_first:
            g = link.write(g, x) if ctx.needs_input_grad[0] else None
        return g, to_weights, None, None
