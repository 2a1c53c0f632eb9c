"""How wide the small layers inside a mechanism are, and into how many groups channels are divided."""

import math

from regard.core.errors import OptionError
from regard.core.options import at_least


def hidden_width(owner: str, channels: int, reduction: int) -> int:
    """channels / reduction rounded down, never under 1 (a hidden layer of width 0 would ignore its input).

    >>> hidden_width("se", 64, 16), hidden_width("se", 8, 16)
    (4, 1)
    """
    return max(1, channels // at_least(owner, "reduction", reduction, 1))


def group_count(owner: str, groups: int | None, default: int, *channels: int) -> int:
    """`groups` where it divides all `channels`; None means what `default` and the channels share.

    >>> group_count("sk", None, 32, 128, 128), group_count("sk", None, 32, 48, 48)
    (32, 16)
    """
    if groups is None:
        return math.gcd(default, *channels)
    at_least(owner, "groups", groups, 1)
    if any(count % groups for count in channels):
        counts = " and ".join(str(count) for count in dict.fromkeys(channels))
        raise OptionError(
            f"{owner}: groups={groups} is not allowed; it must divide the channels, {counts} "
            f"(try {math.gcd(groups, *channels)})."
        )
    return groups
