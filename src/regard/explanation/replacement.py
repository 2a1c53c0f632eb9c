"""Replacement of the maps that a network applies."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn

from regard.core.errors import OptionError
from regard.core.tap import Tap
from regard.explanation.paths import find_taps, run_uncompiled

Replacement = Callable[[Tensor], Tensor] | Tensor | float
"""A replacement of a map: a function of the map, a tensor that broadcasts to its shape, or a number."""


@contextmanager
def replace_maps(net: nn.Module, replacements: Mapping[str, Replacement]) -> Iterator[None]:
    """Replaces maps of the network inside the `with` block; the replacements are removed afterwards, also after errors.

    If a tap already has a replacement, the new one is applied to its result. An observer sees the map that was
    applied, so the replaced one.

    Args:
        net: any network with taps; compiled or not, it runs uncompiled inside (see `run_uncompiled`).
        replacements: the replacement for each path, module or pattern of taps (see `Paths`).

    Raises:
        RegardError: the network has no taps.
        UnknownNameError: a path that fits no tap.
        OptionError: two replacements for one tap.

    Example:
        >>> import torch
        >>> from regard.core import Tap
        >>> net = nn.Sequential(nn.Sigmoid(), Tap("gate"))
        >>> with replace_maps(net, {"1": lambda gate: 1 - gate}):
        ...     round(net(torch.ones(1, 1)).item(), 3)
        0.269
        >>> round(net(torch.ones(1, 1)).item(), 3)
        0.731
    """
    chosen: dict[str, tuple[Tap, Replacement]] = {}
    for pattern, replacement in replacements.items():
        for path, tap in find_taps(net, pattern).items():
            if path in chosen:
                raise OptionError(f"replace_maps: the tap {path!r} has two replacements, one by {pattern!r}: keep one.")
            chosen[path] = tap, replacement
    previous = {path: tap.replace for path, (tap, _) in chosen.items()}
    with run_uncompiled():
        try:
            for path, (tap, replacement) in chosen.items():
                tap.replace = _after(previous[path], replacement)
            yield
        finally:
            for path, (tap, _) in chosen.items():
                tap.replace = previous[path]


def _after(previous: Callable[[Tensor], Tensor] | None, replacement: Replacement) -> Callable[[Tensor], Tensor]:
    def replace(own: Tensor) -> Tensor:
        if previous is not None:
            own = previous(own).to(own.dtype).expand_as(own)
        if callable(replacement) and not isinstance(replacement, Tensor):
            return replacement(own)
        if isinstance(replacement, Tensor):
            return replacement.to(own.device)
        return own.new_full((1,) * own.ndim, replacement)

    return replace
