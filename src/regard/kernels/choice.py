"""The choice of a primitive's implementation: one that is asked for and not available is an error."""

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
            f"{primitive}: impl={impl!r} is not available here; choose one of 'auto', "
            f"{', '.join(repr(a) for a in available)}."
        )
    return impl
