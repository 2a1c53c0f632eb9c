"""The shapes of features for which mechanisms are built and counted: `256x56x56` is c, h, w."""

import inspect
import re
from collections.abc import Mapping
from types import MappingProxyType

from regard.attention import create, find
from regard.core import Mechanism, OptionError, Spec, Temporal

USUAL: Mapping[int, tuple[int, ...]] = MappingProxyType({1: (256, 1024), 2: (256, 56, 56), 3: (256, 8, 28, 28)})
"""The default channels and sizes for counting costs, by the number of position axes."""


def format_shape(shape: tuple[int, ...]) -> str:
    """Formats a shape as it is typed.

    >>> format_shape((256, 56, 56))
    '256x56x56'
    """
    return "x".join(map(str, shape))


def read_shape(text: str) -> tuple[int, ...]:
    """Parses channels and sizes from a text.

    Raises:
        OptionError: the text is not a shape with one to three position axes.

    Example:
        >>> read_shape("64x32x32")
        (64, 32, 32)
    """
    if not re.fullmatch(r"[1-9]\d{0,6}(x[1-9]\d{0,6}){1,3}", text):
        shapes = ", ".join(format_shape(shape) for shape in USUAL.values())
        raise OptionError(
            f"shape={text!r} is not allowed; write the channels and the size of each position axis with x between "
            f"them, for 1, 2 or 3 axes: {shapes}."
        )
    return tuple(map(int, text.split("x")))


def dims_of(mechanism: type[Mechanism], spec: Spec | None = None) -> int:
    """Returns the default number of position axes: that of the options, else two if the mechanism takes two.

    >>> dims_of(find("cbam")), dims_of(find("cbam"), Spec.parse("cbam:dims=1"))
    (2, 1)
    """
    asked = spec.options.get("dims") if spec else None
    if isinstance(asked, int) and asked in mechanism.facts.dims:
        return asked
    return 2 if 2 in mechanism.facts.dims else mechanism.facts.dims[0]


def build(mechanism: str | Spec, channels: int) -> Mechanism:
    """A mechanism for that number of channels; a temporal one for queries and keys of that size.

    >>> build("se", 64).reduce.in_features, build("additive", 64).key_size
    (64, 64)
    """
    spec = Spec.parse(mechanism)
    if issubclass(find(spec.name), Temporal):
        return create(spec, query_size=channels, key_size=channels)
    return create(spec, channels=channels)


def with_dims(mechanism: type[Mechanism], spec: Spec, dims: int) -> Spec:
    """Returns the spec with the option `dims` if the mechanism needs it for that number of axes.

    Raises:
        OptionError: the mechanism does not take that number of axes, or not with these options.

    Example:
        >>> str(with_dims(find("cbam"), Spec.parse("cbam"), 3)), str(with_dims(find("se"), Spec.parse("se"), 3))
        ('cbam:dims=3', 'se')
    """
    allowed, asked = mechanism.facts.dims, spec.options.get("dims")
    option = inspect.signature(mechanism).parameters.get("dims")
    if option is not None and asked is not None:
        allowed = (asked,) if isinstance(asked, int) else allowed
    elif option is not None and option.default != dims:
        spec = Spec(spec.name, {**spec.options, "dims": dims})
    if dims not in allowed:
        shapes = " or ".join(format_shape(USUAL[d]) for d in allowed if d in USUAL)
        raise OptionError(
            f"{spec}: a shape of {dims} position {'axis' if dims == 1 else 'axes'} is not allowed; it takes "
            f"{' or '.join(map(str, allowed))}{f', for example {shapes}' if shapes else ''}."
        )
    return spec
