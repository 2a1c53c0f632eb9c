"""How wide the small layers inside a gate are."""

from regard.core.options import at_least


def hidden_width(owner: str, channels: int, reduction: int) -> int:
    """channels / reduction rounded down, never under 1 (a hidden layer of width 0 would ignore its input).

    >>> hidden_width("se", 64, 16), hidden_width("se", 8, 16)
    (4, 1)
    """
    return max(1, channels // at_least(owner, "reduction", reduction, 1))
