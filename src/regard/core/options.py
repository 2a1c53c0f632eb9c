"""Checks of constructor options: each error names the owner, the option, the value and the rule."""

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Literal, SupportsIndex, Union, get_args, get_origin, get_type_hints

from regard.core.errors import OptionError


def at_least(owner: str, option: str, value: int, minimum: int) -> int:
    """`value` where it is an integer of at least `minimum`.

    >>> at_least("se", "reduction", 0, 1)
    Traceback (most recent call last):
    regard.core.errors.OptionError: se: reduction=0 is not allowed; it must be an integer of at least 1.
    """
    number = plain(value)
    if isinstance(number, bool) or not isinstance(number, int) or number < minimum:
        raise OptionError(f"{owner}: {option}={value!r} is not allowed; it must be an integer of at least {minimum}.")
    return number


def plain(value: object) -> object:
    """An integer of another library, such as NumPy, as Python's; anything else as it is.

    >>> import torch
    >>> plain(torch.tensor(3)), plain(True), plain(2.0)
    (3, True, 2.0)
    """
    if isinstance(value, bool | int) or not isinstance(value, SupportsIndex):
        return value
    try:
        return operator.index(value)
    except TypeError:
        return value


def odd(owner: str, option: str, value: int) -> int:
    """`value` where it is an odd positive integer, as a kernel that keeps the size must be."""
    number = at_least(owner, option, value, 1)
    if number % 2 == 0:
        raise OptionError(
            f"{owner}: {option}={number} is not allowed; it must be odd, so that the output keeps the size "
            f"(try {number - 1} or {number + 1})."
        )
    return number


def positive(owner: str, option: str, value: float) -> float:
    """`value` where it is a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise OptionError(f"{owner}: {option}={value!r} is not allowed; it must be a number above 0.")
    return value


def not_negative(owner: str, option: str, value: float) -> float:
    """`value` where it is a finite number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise OptionError(f"{owner}: {option}={value!r} is not allowed; it must be a number of at least 0.")
    return value


def flag(owner: str, option: str, value: object) -> bool:
    """`value` where it is True or False: other true values, such as the text 'no', are mistakes."""
    if not isinstance(value, bool):
        raise OptionError(f"{owner}: {option}={value!r} is not allowed; it must be True or False.")
    return value


def check_options(owner: str, build: Callable[..., object], options: Mapping[str, object]) -> None:
    """Checks the options whose annotation lists their values: a flag, or one of the words of a `Literal`.

    >>> def build(*, pooling: Literal["mean", "max"] = "mean", bias: bool = True) -> None: ...
    >>> check_options("se", build, {"pooling": "sum", "bias": True})
    Traceback (most recent call last):
    regard.core.errors.OptionError: se: pooling='sum' is not allowed; choose one of 'mean', 'max'.
    """
    for option, kinds in _kinds(build).items():
        if option not in options or (options[option] is None and NoneType in kinds):
            continue
        for kind in kinds:
            if kind is bool:
                flag(owner, option, options[option])
            elif get_origin(kind) is Literal:
                one_of(owner, option, options[option], get_args(kind))


@cache
def _kinds(build: Callable[..., object]) -> dict[str, tuple[object, ...]]:
    """For each option the types that its annotation allows."""
    hints = get_type_hints(build)
    return {name: get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,) for name, hint in hints.items()}


def one_of(owner: str, option: str, value: object, allowed: Iterable[object]) -> object:
    """`value` where it is among `allowed`, type included: neither True nor 1.0 is the integer 1."""
    choices, value = tuple(allowed), plain(value)
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise OptionError(
            f"{owner}: {option}={value!r} is not allowed; choose one of {', '.join(repr(c) for c in choices)}."
        )
    return value
