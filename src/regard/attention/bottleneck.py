"""The small layers from a statistic of every channel to a logit of every channel, of which channel gates are made."""

from contextlib import nullcontext

from torch import Tensor, nn, relu
from torch.nn.functional import linear

from regard.attention.products import without_autocast
from regard.attention.widths import hidden_width
from regard.core.options import flag
from regard.core.precision import widen


def bottleneck(owner: str, channels: int, reduction: int, bias: bool) -> tuple[nn.Linear, nn.Linear]:
    """A layer that narrows to max(1, channels // reduction) units, and one that widens again.

    >>> [layer.out_features for layer in bottleneck("se", 64, 16, True)]
    [4, 64]
    """
    hidden = hidden_width(owner, channels, reduction)
    flag(owner, "bias", bias)
    return nn.Linear(channels, hidden, bias=bias), nn.Linear(hidden, channels, bias=bias)


def scored(statistic: Tensor, *layers: nn.Linear, wide: bool = False) -> Tensor:
    """The layers one after another with a relu between, the logits in at least float32.

    The layers compute in their own dtype, or, for statistics that a half could not hold, in at least float32.
    """
    with without_autocast(statistic) if wide else nullcontext():
        for number, layer in enumerate(layers):
            given = statistic if number == 0 else relu(statistic)
            statistic = _wide_layer(layer, given) if wide else layer(given.to(layer.weight.dtype))
    return widen(statistic)


def _wide_layer(layer: nn.Linear, given: Tensor) -> Tensor:
    bias = None if layer.bias is None else widen(layer.bias)
    return linear(widen(given), widen(layer.weight), bias)


def over_positions(values: Tensor, x: Tensor) -> Tensor:
    """Values (b, c) as a map (b, c, 1, ...) with as many axes as x.

    >>> import torch
    >>> over_positions(torch.zeros(2, 8), torch.zeros(2, 8, 5, 5)).shape
    torch.Size([2, 8, 1, 1])
    """
    return values.reshape(*values.shape, *(1,) * (x.ndim - 2))
