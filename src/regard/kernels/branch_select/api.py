"""The choice between branches, as in a selective kernel: the mean that it is made of, and the weighted sum."""

from torch import Tensor

from regard.core.errors import ShapeError
from regard.kernels.branch_select.impl import cpu, reference
from regard.kernels.choice import Impl, choose
from regard.kernels.squeezed import SqueezedBranches


def squeeze_branches(
    branches: tuple[Tensor, ...] | Tensor, splits: int = 1, *, impl: Impl = "auto"
) -> SqueezedBranches:
    """Compute the mean over positions of the sum of k branches.

    Args:
        branches: k tensors of one shape (b, c, ...), or one tensor (b, k c, ...) whose parts they are.
        splits: k, where `branches` is one tensor.
        impl: the implementation, see `choose`.

    Returns:
        Its `mean` (b, c) is in at least float32; `select_branches` takes it instead of the branches.

    Raises:
        ShapeError: no branch, branches of different shapes or without positions, or channels that `splits` does not
            divide.
        OptionError: an implementation that is not available.

    Example:
        >>> import torch
        >>> x = torch.tensor([[[1.0, 3.0], [4.0, 6.0]]])
        >>> squeeze_branches(x, 2).mean, squeeze_branches((x, x)).mean
        (tensor([[7.]]), tensor([[ 4., 10.]]))
    """
    given, count = (branches, len(branches)) if isinstance(branches, tuple) else ((branches,), splits)
    _expect_branches("squeeze_branches", given, count)
    if given[0].ndim < 3:
        shape = tuple(given[0].shape)
        raise ShapeError(f"squeeze_branches: branches have shape {shape}; it must be (b, c, ...) with positions.")
    served = cpu.can_serve_all(given, count)
    if choose("squeeze_branches", impl, ("cpu", "reference") if served else ("reference",)) == "cpu":
        mean, token, link = cpu.squeeze_branches(given, count)
        return SqueezedBranches(mean, given, count, token, link)
    return SqueezedBranches(reference.squeeze_branches(_separate(given, count)), given, count)


def select_branches(
    branches: tuple[Tensor, ...] | Tensor | SqueezedBranches, weights: Tensor, *, impl: Impl = "auto"
) -> Tensor:
    """Return the weighted sum of k branches.

    Args:
        branches: k tensors of one shape (b, c, ...), one tensor (b, k c, ...) whose parts they are, or the result of
            `squeeze_branches`.
        weights: (b, k, c, 1, ...) or (b, k, 1, ...) with the sizes of positions, one axis more than a branch.
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
    token = link = None
    if isinstance(branches, SqueezedBranches):
        given, count, token, link = branches._branches, branches._count, branches._token, branches._link
    elif isinstance(branches, tuple):
        given, count = branches, len(branches)
    else:
        given, count = (branches,), weights.shape[1]
    _expect_branches("select_branches", given, count)
    if weights.ndim != given[0].ndim + 1 or weights.shape[1] != count:
        shape = tuple(given[0].chunk(count, 1)[0].shape if len(given) < count else given[0].shape)
        raise ShapeError(
            f"select_branches: weights have shape {tuple(weights.shape)}; for {count} branches of shape "
            f"{shape} they must be (b, {count}, c, 1, ...)."
        )
    by_position = cpu.axis_of(given, weights) if link is not None or cpu.can_serve_all(given, count) else None
    if choose("select_branches", impl, ("reference",) if by_position is None else ("cpu", "reference")) == "cpu":
        assert by_position is not None
        return cpu.select_branches(given, weights, by_position, token, link)
    return reference.select_branches(_separate(given, count), weights)


def _separate(branches: tuple[Tensor, ...], count: int) -> tuple[Tensor, ...]:
    return branches[0].chunk(count, 1) if len(branches) < count else branches


def _expect_branches(name: str, branches: tuple[Tensor, ...], count: int) -> None:
    if not branches or any(branch.shape != branches[0].shape for branch in branches):
        shapes = ", ".join(str(tuple(branch.shape)) for branch in branches) or "none"
        raise ShapeError(f"{name}: branches have shapes {shapes}; there must be at least one, all alike.")
    if len(branches) != count and (count < 1 or branches[0].shape[1] % count):
        raise ShapeError(
            f"{name}: {count} branches are asked for of a tensor of shape {tuple(branches[0].shape)}; there must be at "
            "least one, and their number must divide the channels."
        )
