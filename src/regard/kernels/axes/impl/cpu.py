"""The kernels for the CPU, of features with two axes of positions."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from regard.core.precision import wide
from regard.kernels.operators import laid_out_as


class AxisLink:
    """The link of the backward passes of `squeeze_axes` and `apply_axis_gates`, see `regard.kernels.squeezed.Link`."""

    __slots__ = ("gates", "is_taken")

    def __init__(self) -> None:
        self.is_taken = False
        self.gates: tuple[Tensor, ...] = ()


def squeeze_axes(x: Tensor) -> tuple[Tensor, Tensor | None, AxisLink | None]:
    """The means (b, c, h + w) of the rows and then of the columns; x as the gates shall take it, and their link.

    The channels of the means lie side by side.
    """
    if not (torch.is_grad_enabled() and x.requires_grad):
        return torch.ops.regard.axis_means.default(x).transpose(1, 2), None, None
    link = AxisLink()
    linked, means = _SqueezeAxes.apply(x, link)
    return means.transpose(1, 2), linked, link


def apply_axis_gates(x: Tensor, rows: Tensor, columns: Tensor, linked: Tensor | None, link: AxisLink | None) -> Tensor:
    """The product of x, `rows` (b, c, h, 1) and `columns` (b, c, 1, w); `linked` is x as the squeeze gives it."""
    rows, columns = (gate.to(wide(x.dtype)) for gate in (rows, columns))
    if not (torch.is_grad_enabled() and (x.requires_grad or rows.requires_grad or columns.requires_grad)):
        made: Tensor = torch.ops.regard.axis_gate.default(x, _side_by_side(rows), _side_by_side(columns), None)
        return made
    if linked is None or link is None or link.is_taken:
        made = _AxisGates.apply(x, rows, columns, None)
        return made
    link.is_taken = True
    made = _AxisGates.apply(linked, rows, columns, link)
    return made


def _side_by_side(gate: Tensor) -> Tensor:
    """(b, c, n, 1) or (b, c, 1, n) as (b, n, c), contiguous."""
    return gate.flatten(2).transpose(1, 2).contiguous()


class _SqueezeAxes(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, link: AxisLink) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        ctx.link, ctx.shape, ctx.stride, ctx.dtype = link, x.shape, x.stride(), x.dtype
        return x, torch.ops.regard.axis_means.default(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor | None, to_means: Tensor | None) -> tuple[Tensor | None, None]:
        if g is not None:
            shares = None if to_means is None else to_means.contiguous()
            return torch.ops.regard.axis_gate.default(g, *ctx.link.gates, shares), None
        if to_means is None:
            return None, None
        h, w = ctx.shape[2:]
        rows, columns = to_means.transpose(1, 2).contiguous().split([h, w], 2)
        to_x = torch.empty_strided(ctx.shape, ctx.stride, dtype=ctx.dtype)
        return torch.add((rows / w).unsqueeze(3), (columns / h).unsqueeze(2), out=to_x), None


class _AxisGates(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Tensor, columns: Tensor, link: AxisLink | None) -> Tensor:
        gates = _side_by_side(rows), _side_by_side(columns)
        ctx.save_for_backward(x, *gates)
        ctx.link = link
        made: Tensor = torch.ops.regard.axis_gate.default(x, *gates, None)
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, *gates = ctx.saved_tensors
        g, to_x, to_rows, to_columns = laid_out_as(x, g), None, None, None
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            sums = torch.ops.regard.axis_sums.default(g, x, *gates)
            to_rows, to_columns = sums[0].transpose(1, 2).unsqueeze(3), sums[1].transpose(1, 2).unsqueeze(2)
        if ctx.link is not None:
            ctx.link.gates, to_x = gates, g
        elif ctx.needs_input_grad[0]:
            to_x = torch.ops.regard.axis_gate.default(g, *gates, None)
        return to_x, to_rows, to_columns, None
