"""The oracle in plain PyTorch."""

from torch import Tensor


def select_branches(branches: tuple[Tensor, ...], map: Tensor) -> Tensor:
    """See `regard.kernels.branch_select.api.select_branches`."""
    weights = map.to(branches[0].dtype).unbind(1)
    total = branches[0] * weights[0]
    for branch, weight in zip(branches[1:], weights[1:], strict=True):
        total = total + branch * weight
    return total
