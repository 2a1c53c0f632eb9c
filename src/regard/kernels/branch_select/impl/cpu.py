"""The kernels for the CPU: weights by channel or by position, of separate branches or of the parts of one tensor."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from regard.kernels.gate.impl.cpu import fit
from regard.kernels.operators import can_serve

MOST = 16
"""The operators take no more branches: `kMostBranches` in `cpp/level.h`."""


class Link:
    """The connection between the backward passes of a squeeze of branches and of the selection that is made of it.

    The squeeze returns a token of the shape of the selection's result, which has no memory of its own, and the
    selection takes it in the place of the branches. Its backward pass leaves its weights here and hands the gradient
    of the result, as it came, to the token; the squeeze's, which follows, writes the gradient of each branch once:
    weighted, and with that of the mean. One link serves one selection.
    """

    __slots__ = ("_is_taken", "_weights")

    def __init__(self) -> None:
        self._is_taken = False
        self._weights: Tensor | None = None

    def take(self) -> bool:
        """Return True for the first selection, which alone is joined."""
        taken, self._is_taken = self._is_taken, True
        return not taken

    def leave(self, weights: Tensor) -> None:
        """Hand over the weights of the selection."""
        self._weights = weights

    def fetch(self) -> Tensor:
        """The weights that were left, which the link then holds no longer."""
        weights, self._weights = self._weights, None
        assert weights is not None
        return weights


def can_serve_all(branches: tuple[Tensor, ...], count: int) -> bool:
    """Check that the operators take these branches: `count` laid out alike, or the parts of a single tensor."""
    first = branches[0]
    if not 1 <= count <= MOST or not can_serve(first):
        return False
    if len(branches) == 1:
        return first.shape[1] % count == 0
    like = (type(first), first.dtype, first.shape, first.stride())
    return all(
        branch.is_cpu and (type(branch), branch.dtype, branch.shape, branch.stride()) == like for branch in branches[1:]
    )


def axis_of(branches: tuple[Tensor, ...], weights: Tensor) -> bool | None:
    """Return True for weights of positions, False for weights of channels, None for any others.

    >>> axis_of((torch.ones(2, 6, 5),), torch.ones(2, 3, 2, 1)), axis_of((torch.ones(2, 6, 5),), torch.ones(2, 3, 1, 5))
    (False, True)
    """
    first, (b, k, c, *positions) = branches[0], weights.shape
    channels = first.shape[1] // k if len(branches) == 1 else first.shape[1]
    if b != first.shape[0] or weights.ndim != first.ndim + 1:
        return None
    if c == channels and weights.numel() == b * k * c:
        return False
    return True if c == 1 and tuple(positions) == first.shape[2:] else None


def squeeze_branches(branches: tuple[Tensor, ...], count: int) -> tuple[Tensor, Tensor | None, Link | None]:
    """See `regard.kernels.branch_select.api.squeeze_branches`; also the token and the link for a selection."""
    if not (torch.is_grad_enabled() and any(branch.requires_grad for branch in branches)):
        return _measure(branches, count), None, None
    link = Link()
    mean, token = _Squeeze.apply(link, count, *branches)
    return mean, token, link


def select_branches(
    branches: tuple[Tensor, ...],
    weights: Tensor,
    by_position: bool,
    token: Tensor | None = None,
    link: Link | None = None,
) -> Tensor:
    """See `regard.kernels.branch_select.api.select_branches`; the last two are of a squeeze of these branches."""
    weights = fit(branches[0], weights)
    if not (torch.is_grad_enabled() and (weights.requires_grad or any(branch.requires_grad for branch in branches))):
        made: Tensor = torch.ops.regard.branches_select.default(branches, weights, by_position)
        return made
    if link is None or by_position or not link.take():
        made = _Select.apply(weights, by_position, None, None, *branches)
        return made
    made = _Select.apply(weights, by_position, link, token, *(branch.detach() for branch in branches))
    return made


def _measure(branches: tuple[Tensor, ...], count: int) -> Tensor:
    """The sum of the branches' means over positions, (b, c)."""
    total: Tensor = torch.ops.regard.squeeze_mean.default(branches[0])
    if len(branches) == 1:
        return total if count == 1 else total.unflatten(1, (count, -1)).sum(1)
    for branch in branches[1:]:
        total += torch.ops.regard.squeeze_mean.default(branch)
    return total


def _lay_out(g: Tensor, strides: tuple[int, ...]) -> Tensor:
    """The gradient in the strides of the result; that of an axis of size 1 means nothing."""
    if all(n == 1 or own == wanted for n, own, wanted in zip(g.shape, g.stride(), strides, strict=True)):
        return g
    return torch.empty_strided(g.shape, strides, dtype=g.dtype).copy_(g)


class _Squeeze(Function):
    @staticmethod
    def forward(ctx: Any, link: Link, count: int, *branches: Tensor) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        first, whole = branches[0], len(branches) < count
        ctx.link, ctx.count, ctx.shape, ctx.parts = link, len(branches), first.shape, count if whole else 1
        ctx.save_for_backward(*(branches if whole else ()))
        token = first.new_empty(1).expand(first.shape[0], first.shape[1] // ctx.parts, *first.shape[2:])
        return _measure(branches, count), token

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, mean: Tensor | None, g: Tensor | None) -> tuple[Tensor | None, ...]:
        added = None if mean is None else (mean / math.prod(ctx.shape[2:])).contiguous()
        if g is not None:
            whole = ctx.saved_tensors[0] if ctx.saved_tensors else None
            return None, None, *torch.ops.regard.branches_spread.default(g, whole, ctx.link.fetch(), added, False)
        if added is None:
            return None, None, *(None,) * ctx.count
        even = added.repeat(1, ctx.parts).reshape(*ctx.shape[:2], *(1,) * (len(ctx.shape) - 2)).expand(ctx.shape)
        return None, None, *(even,) * ctx.count


class _Select(Function):
    @staticmethod
    def forward(
        ctx: Any, weights: Tensor, by_position: bool, link: Link | None, token: Tensor | None, *branches: Tensor
    ) -> Tensor:
        ctx.save_for_backward(weights, *branches)
        made: Tensor = torch.ops.regard.branches_select.default(branches, weights, by_position)
        ctx.by_position, ctx.link, ctx.strides = by_position, link, made.stride()
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        weights, *branches = ctx.saved_tensors
        g = _lay_out(g, ctx.strides)
        to_weights = to_token = None
        to_branches: list[Tensor | None] = [None] * len(branches)
        if ctx.needs_input_grad[0]:
            to_weights = torch.ops.regard.branches_sums.default(g, branches, weights, ctx.by_position)
        if ctx.link is not None:
            ctx.link.leave(weights)
            to_token = g
        elif any(ctx.needs_input_grad[4:]):
            whole = branches[0] if len(branches) < weights.shape[1] else None
            to_branches = torch.ops.regard.branches_spread.default(g, whole, weights, None, ctx.by_position)
        return to_weights, None, None, to_token, *to_branches
