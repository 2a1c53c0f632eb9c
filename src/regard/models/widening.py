"""The plain network with other numbers of channels: the control that has as many parameters and no attention."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from regard.core.options import at_least
from regard.models.blocks import Shortcut, StrideIn
from regard.models.resnet import ResNet
from regard.models.zoo import create, layout_of

BISECTIONS = 12
"""Bisections of the interval of factors; the last is under a tenth of a channel for any of our networks."""


def width_for(
    name: str,
    parameters: int,
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    stride_in: StrideIn | None = None,
    shortcut: Shortcut | None = None,
) -> tuple[int, ...]:
    """Finds the channels of each stage with which the plain network is nearest to a number of parameters.

    All stages are multiplied by one factor and rounded, then each may move by one channel; none becomes narrower
    where the number is larger than the plain network's, none wider where it is smaller. Where the number is so little
    larger that half the smallest step (one more channel in the first stage) is not reached, the nearest is the plain
    network itself.

    Args:
        name: a plain network of ours, for example `resnet20`.
        parameters: number of parameters to reach.
        num_classes: as in `create`, and so are the other options.

    Returns:
        The channels of each stage, for `create(name, width=...)`.

    Raises:
        UnknownNameError: no such plain network.
        OptionError: an option out of its range.

    Example:
        >>> width_for("resnet20", 274_847, num_classes=10)
        (17, 32, 64)
    """
    layout = layout_of(name)
    style = replace(
        layout.style, stride_in=stride_in or layout.style.stride_in, shortcut=shortcut or layout.style.shortcut
    )
    at_least(name, "parameters", parameters, 1)

    def count(widths: tuple[int, ...]) -> int:
        with torch.device("meta"):
            net = ResNet(name, replace(layout, widths=widths), style, num_classes=num_classes, in_channels=in_channels)
        return sum(parameter.numel() for parameter in net.parameters())

    return _nearest(layout.widths, parameters, count, layout.style.step)


def create_widened(
    name: str,
    parameters: int,
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    seed: int | None = None,
    stride_in: StrideIn | None = None,
    shortcut: Shortcut | None = None,
) -> nn.Module:
    """Creates the plain network with the widths from `width_for`.

    Example:
        >>> net = create_widened("resnet8", 100_000, num_classes=10, in_channels=1)
        >>> sum(parameter.numel() for parameter in net.parameters())
        100015
    """
    options: dict[str, Any] = {
        "num_classes": num_classes,
        "in_channels": in_channels,
        "stride_in": stride_in,
        "shortcut": shortcut,
    }
    return create(name, seed=seed, width=width_for(name, parameters, **options), **options)


def _nearest(
    base: tuple[int, ...], parameters: int, count: Callable[[tuple[int, ...]], int], step: int = 1
) -> tuple[int, ...]:
    """Returns the widths nearest to `parameters` around a multiple of `base`, all on the same side of it.

    All are multiples of `step`.
    """
    wider = parameters >= count(base)
    low, high = (1.0, 2.0) if wider else (0.0, 1.0)
    while wider and count(_times(base, high, step)) < parameters:
        low, high = high, 2 * high
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if count(_times(base, middle, step)) <= parameters else (low, middle)
    proportional = _times(base, low, step)
    choices = (_around(width, start, wider, step) for width, start in zip(proportional, base, strict=True))
    candidates = itertools.product(*choices)
    return min(candidates, key=lambda widths: (abs(count(widths) - parameters), math.dist(widths, proportional)))


def _times(base: tuple[int, ...], factor: float, step: int) -> tuple[int, ...]:
    return tuple(step * max(1, round(width * factor / step)) for width in base)


def _around(width: int, start: int, wider: bool, step: int) -> list[int]:
    """Returns `width` and its neighbours, without those that would narrow a widened network or widen a narrowed one."""
    candidates = (width - step, width, width + step)
    return [near for near in candidates if near >= step and (near >= start if wider else near <= start)]
