"""The oracle in plain PyTorch."""

import torch
from torch import Tensor

from regard.kernels.squeeze.impl import reference as squeeze


def squeeze_branches(branches: tuple[Tensor, ...]) -> Tensor:
    """See `regard.kernels.branch_select.api.squeeze_branches`."""
    return torch.stack([squeeze.squeeze_positions(branch, ("mean",))[0] for branch in branches]).sum(0)


def select_branches(branches: tuple[Tensor, ...], weights: Tensor) -> Tensor:
    """See `regard.kernels.branch_select.api.select_branches`."""
    parts = weights.to(branches[0].dtype).unbind(1)
    total = branches[0] * parts[0]
    for branch, weight in zip(branches[1:], parts[1:], strict=True):
        total = total + branch * weight
    return total
