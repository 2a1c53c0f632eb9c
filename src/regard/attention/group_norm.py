"""Group normalisation in at least float32, also of a single value."""

from torch import Tensor, nn

from regard.core.precision import widen
from regard.kernels import squeeze_positions


def group_normalise(norm: nn.GroupNorm, x: Tensor) -> Tensor:
    """x (b, c, ...) normalised by the layer; a group of one value gives the bias, where the layer itself refuses it.

    >>> import torch
    >>> group_normalise(nn.GroupNorm(2, 2), torch.tensor([[[5.0], [7.0]]])).flatten().tolist()
    [0.0, 0.0]
    """
    groups = widen(x).unflatten(1, (norm.num_groups, -1)).flatten(2)
    mean, std = squeeze_positions(groups, "mean", "std")
    scale = (std.square() + norm.eps).rsqrt()
    normal = ((groups - mean.unsqueeze(2)) * scale.unsqueeze(2)).reshape(x.shape)
    weight, bias = (widen(values).reshape(-1, *(1,) * (x.ndim - 2)) for values in (norm.weight, norm.bias))
    return normal * weight + bias
