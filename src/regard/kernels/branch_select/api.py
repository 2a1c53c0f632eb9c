"""The weighted sum of branches, as in a selective kernel."""

from torch import Tensor

from regard.core.errors import ShapeError
from regard.kernels.branch_select.impl import reference
from regard.kernels.choice import Impl, choose


def select_branches(branches: tuple[Tensor, ...], weights: Tensor, *, impl: Impl = "auto") -> Tensor:
    """Return the weighted sum of k branches.

    Args:
        branches: k tensors of one shape (b, c, ...).
        weights: (b, k, c, 1, ...), one axis more than a branch.
        impl: the implementation, see `choose`.

    Returns:
        (b, c, ...) in the branches' dtype and with their strides.

    Raises:
        ShapeError: no branch, branches of different shapes, or weights that do not fit them.
        OptionError: an implementation that is not available.

    Example:
        >>> import torch
        >>> a, b = torch.ones(1, 1, 1), 3 * torch.ones(1, 1, 1)
        >>> select_branches((a, b), torch.full((1, 2, 1, 1), 0.5)).item()
        2.0
    """
    choose("select_branches", impl)
    if not branches or any(branch.shape != branches[0].shape for branch in branches):
        shapes = ", ".join(str(tuple(branch.shape)) for branch in branches) or "none"
        raise ShapeError(f"select_branches: branches have shapes {shapes}; there must be at least one, all alike.")
    if weights.ndim != branches[0].ndim + 1 or weights.shape[1] != len(branches):
        raise ShapeError(
            f"select_branches: weights have shape {tuple(weights.shape)}; for {len(branches)} branches of shape "
            f"{tuple(branches[0].shape)} they must be (b, {len(branches)}, c, 1, ...)."
        )
    return reference.select_branches(branches, weights)
