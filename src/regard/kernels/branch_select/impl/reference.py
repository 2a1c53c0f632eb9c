"""The oracle in plain PyTorch."""

from torch import Tensor


def select_branches(branches: tuple[Tensor, ...], weights: Tensor) -> Tensor:
    """See `regard.kernels.branch_select.api.select_branches`."""
    parts = weights.to(branches[0].dtype).unbind(1)
    total = branches[0] * parts[0]
    for branch, weight in zip(branches[1:], parts[1:], strict=True):
        total = total + branch * weight
    return total
