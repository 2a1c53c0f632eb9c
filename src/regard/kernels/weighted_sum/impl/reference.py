"""The oracle in plain PyTorch."""

from torch import Tensor

from regard.core.precision import widen
from regard.core.products import wide_product


def sum_channels(x: Tensor, weight: Tensor) -> Tensor:
    """See `regard.kernels.weighted_sum.api.sum_channels`."""
    scores = weight.unsqueeze(0) @ x.to(weight.dtype).flatten(2)
    return widen(scores).reshape(x.shape[0], 1, *x.shape[2:])


def sum_positions(x: Tensor, weights: Tensor) -> Tensor:
    """See `regard.kernels.weighted_sum.api.sum_positions`."""
    return wide_product(x.flatten(2), weights.flatten(2).transpose(1, 2)).squeeze(2)
