"""The choice of a primitive's implementation: one that is asked for and not available is an error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from regard.core.errors import OptionError
from regard.core.options import one_of

Impl = Literal["auto", "cpu", "reference"]

_forced: str = "auto"


@contextmanager
def use(impl: Impl) -> Iterator[None]:
    """Let every primitive that is called within the block with `impl="auto"` use one implementation.

    It holds for all threads of the process, and is not seen by what was compiled before.

    Args:
        impl: `reference`, the oracle in plain PyTorch, or `auto`.

    Raises:
        OptionError: an implementation that does not exist.

    Example:
        >>> with use("reference"):
        ...     choose("squeeze_positions", "auto", ("fast", "reference"))
        'reference'
    """
    global _forced
    one_of("kernels.use", "impl", impl, ("auto", "reference"))
    before, _forced = _forced, impl
    try:
        yield
    finally:
        _forced = before


def choose(primitive: str, impl: str, available: tuple[str, ...] = ("reference",)) -> str:
    """The implementation that `impl` means: `auto` is what `use` says, else the first of `available`.

    >>> choose("squeeze_positions", "auto")
    'reference'
    """
    if impl == "auto":
        return _forced if _forced in available else available[0]
    if impl not in available:
        raise OptionError(
            f"{primitive}: impl={impl!r} is not available here; choose one of 'auto', "
            f"{', '.join(repr(a) for a in available)}."
        )
    return impl
