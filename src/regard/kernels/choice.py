"""Which implementation of a primitive runs: what was asked for and cannot be had is an error, never a silent other."""

from typing import Literal

from regard.core.errors import OptionError

Impl = Literal["auto", "reference"]


def choose(primitive: str, impl: str, available: tuple[str, ...] = ("reference",)) -> str:
    """The implementation that `impl` means: `auto` is the first of `available`.

    >>> choose("squeeze_positions", "auto")
    'reference'
    """
    if impl == "auto":
        return available[0]
    if impl not in available:
        raise OptionError(
            f"{primitive}: impl={impl!r} cannot be had here; choose one of 'auto', "
            f"{', '.join(repr(a) for a in available)}."
        )
    return impl
