"""Putting other maps in the place of those that a network makes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn

from regard.core.errors import OptionError
from regard.core.tap import Tap
from regard.explanation.paths import tapped, uncompiled

Replacement = Callable[[Tensor], Tensor] | Tensor | float
"""What stands in for a map: a function of the map, a tensor that broadcasts to its shape, or one number."""


@contextmanager
def replaced(net: nn.Module, replacements: Mapping[str, Replacement]) -> Iterator[None]:
    """Inside the `with` block the network applies other maps; afterwards, also after an exception, its own again.

    Where a tap already has a replacement, the new one gets what the old one made. An observer sees the map that was
    applied, so the replaced one.

    Args:
        net: any network with taps; compiled or not, it runs uncompiled inside (see `uncompiled`).
        replacements: for each path, module or pattern of taps (see `Paths`) what stands in for the map.

    Raises:
        RegardError: the network has no taps.
        UnknownNameError: a path that fits no tap.
        OptionError: two replacements for one tap.

    Example:
        >>> import torch
        >>> from regard.core import Tap
        >>> net = nn.Sequential(nn.Sigmoid(), Tap("gate"))
        >>> with replaced(net, {"1": lambda gate: 1 - gate}):
        ...     round(net(torch.ones(1, 1)).item(), 3)
        0.269
        >>> round(net(torch.ones(1, 1)).item(), 3)
        0.731
    """
    chosen: dict[str, tuple[Tap, Replacement]] = {}
    for pattern, replacement in replacements.items():
        for path, tap in tapped(net, pattern).items():
            if path in chosen:
                raise OptionError(f"replaced: the tap {path!r} has two replacements, one by {pattern!r}: keep one.")
            chosen[path] = tap, replacement
    previous = {path: tap.replace for path, (tap, _) in chosen.items()}
    with uncompiled():
        try:
            for path, (tap, replacement) in chosen.items():
                tap.replace = _after(previous[path], replacement)
            yield
        finally:
            for path, (tap, _) in chosen.items():
                tap.replace = previous[path]


def _after(previous: Callable[[Tensor], Tensor] | None, replacement: Replacement) -> Callable[[Tensor], Tensor]:
    def replace(map: Tensor) -> Tensor:
        if previous is not None:
            map = previous(map).to(map.dtype).expand_as(map)
        if callable(replacement) and not isinstance(replacement, Tensor):
            return replacement(map)
        if isinstance(replacement, Tensor):
            return replacement.to(map.device)
        return map.new_full((1,) * map.ndim, replacement)

    return replace
