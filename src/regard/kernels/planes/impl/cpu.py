"""The kernel for the CPU."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from regard.kernels.operators import can_serve

MOST = 4
"""Planes; of more, PyTorch's convolution is faster."""


def serves(x: Tensor, weight: Tensor) -> bool:
    """Returns whether the kernel takes these planes."""
    return (
        x.ndim == 4
        and weight.shape[0] == 1
        and weight.shape[1] <= MOST
        and x.dtype == weight.dtype != torch.bfloat16
        and can_serve(x)
        and x.is_contiguous()
        and not torch.is_autocast_enabled("cpu")
    )


def convolve_planes(x: Tensor, weight: Tensor) -> Tensor:
    """See `regard.kernels.planes.api.convolve_planes`."""
    if not (torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)):
        made: Tensor = torch.ops.regard.planes.default(x, weight.contiguous())
        return made
    made = _Planes.apply(x, weight.contiguous())
    return made


class _Planes(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        made: Tensor = torch.ops.regard.planes.default(x, weight)
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (x, weight), asked = ctx.saved_tensors, ctx.needs_input_grad
        turned = weight.flip(2, 3)
        to_x, sums = torch.ops.regard.planes_gradients.default(g.contiguous(), x, weight, turned, *asked)
        return to_x if asked[0] else None, sums.sum(0, keepdim=True) if asked[1] else None
