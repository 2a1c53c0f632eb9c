"""Checks of a forward's inputs: each error names the owner, the shape and the rule."""

import torch
from torch import Tensor

from regard.core.errors import ShapeError


def expect_features(owner: str, x: Tensor, channels: int, dims: tuple[int, ...]) -> None:
    """Raises a `ShapeError` unless x is floating point (b, channels, ...) with one of those numbers of position axes.

    >>> expect_features("se", torch.zeros(2, 8, 5), 8, (1, 2))
    """
    if not x.is_floating_point():
        raise ShapeError(f"{owner}: x has dtype {x.dtype}; features must be floating point: x.float().")
    if x.ndim - 2 not in dims:
        axes = " or ".join(str(d) for d in dims)
        raise ShapeError(
            f"{owner}: x has shape {tuple(x.shape)}; it must be (b, c, ...) with {axes} position "
            f"{'axis' if dims == (1,) else 'axes'} after the channels."
        )
    if x.shape[1] != channels and x.shape[-1] == channels:
        raise ShapeError(
            f"{owner}: x has shape {tuple(x.shape)}, with the {channels} channels of the module last; channels come "
            "second, (b, c, ...): x.movedim(-1, 1)."
        )
    if x.shape[1] != channels:
        raise ShapeError(
            f"{owner}: x has shape {tuple(x.shape)}, so {x.shape[1]} channels, but the module was built for "
            f"{channels}: build it with channels={x.shape[1]}."
        )
    if any(size == 0 for size in x.shape[2:]):
        raise ShapeError(f"{owner}: x has shape {tuple(x.shape)}, so no positions; every size must be at least 1.")


def expect_keys(owner: str, keys: Tensor, size: int, values: Tensor | None, mask: Tensor | None) -> None:
    """Raises a `ShapeError` unless keys are (b, k, size), values (b, k, dv) and the mask bool, (b, k) or (b, q, k).

    >>> expect_keys("additive", torch.zeros(2, 5, 8), 8, None, torch.ones(2, 5, dtype=torch.bool))
    """
    if keys.ndim != 3 or not keys.is_floating_point() or keys.shape[2] != size:
        raise ShapeError(
            f"{owner}: keys have shape {tuple(keys.shape)} and dtype {keys.dtype}; they must be floating point "
            f"(b, k, {size}), k keys of {size} numbers."
        )
    b, k, _ = keys.shape
    if values is not None and (values.ndim != 3 or values.shape[:2] != (b, k)):
        raise ShapeError(
            f"{owner}: values have shape {tuple(values.shape)}; for keys of shape {tuple(keys.shape)} they must be "
            f"({b}, {k}, dv), one for each key."
        )
    if mask is not None:
        fits = mask.ndim in (2, 3) and mask.shape[0] == b and mask.shape[-1] == k
        if not fits or mask.dtype != torch.bool:
            raise ShapeError(
                f"{owner}: mask has shape {tuple(mask.shape)} and dtype {mask.dtype}; for keys of shape "
                f"{tuple(keys.shape)} it must be bool, ({b}, {k}) or ({b}, q, {k}), True where attention is allowed."
            )


def expect_query(owner: str, query: Tensor, size: int, keys: Tensor) -> None:
    """Raises a `ShapeError` unless the query is floating point (b, size) or (b, q, size), b as of the keys.

    >>> expect_query("additive", torch.zeros(2, 8), 8, torch.zeros(2, 5, 4))
    """
    right = query.is_floating_point() and query.ndim in (2, 3)
    if not right or query.shape[-1] != size or query.shape[0] != keys.shape[0]:
        b = keys.shape[0]
        raise ShapeError(
            f"{owner}: query has shape {tuple(query.shape)} and dtype {query.dtype}; for keys of shape "
            f"{tuple(keys.shape)} it must be floating point ({b}, {size}) or ({b}, q, {size})."
        )
