"""Shapes in words: which size of a tensor is c, h, w or a part of them, read off two runs with different sizes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

AXES: Mapping[int, tuple[str, ...]] = MappingProxyType({1: ("t",), 2: ("h", "w"), 3: ("t", "h", "w")})
"""The names of position axes, by their number."""

PROBES: Mapping[int, tuple[tuple[int, ...], tuple[int, ...]]] = MappingProxyType(
    {1: ((56,), (40,)), 2: ((56, 48), (40, 72)), 3: ((6, 56, 48), (10, 40, 72))}
)
"""Two sizes of features by the number of position axes; no two axes have the same pair of sizes."""

CHANNELS = (64, 128)
"""The channels of the two runs."""

FEW = 4
"""At most so many more than what has a name are written as a sum, such as hw + 1."""

Pair = tuple[int, int]


@dataclass(frozen=True)
class Sizes:
    """The sizes that have names, each in both runs.

    Attributes:
        channels: c.
        axes: each position axis by its name.

    Example:
        >>> sizes = Sizes.of(2)
        >>> sizes.shape((1, 4, 1, 1), (1, 8, 1, 1)), sizes.shape((1, 2, 56, 48), (1, 2, 40, 72))
        ('c/16 × 1 × 1', '2 × h × w')
    """

    channels: Pair
    axes: Mapping[str, Pair]

    @classmethod
    def of(cls, dims: int) -> "Sizes":
        """Those of the two runs with `dims` position axes."""
        first, second = PROBES[dims]
        axes = {name: (first[i], second[i]) for i, name in enumerate(AXES[dims])}
        return cls(CHANNELS, axes)

    def shape(self, first: Sequence[int], second: Sequence[int]) -> str:
        """A shape without its batch, as it is in the first run and in the second."""
        pairs = list(zip(first, second, strict=True))
        pairs = pairs[1:] if len(pairs) > 1 and pairs[0] == (1, 1) else pairs
        return " × ".join(self.word(pair) for pair in pairs)

    def word(self, pair: Pair) -> str:
        """One size: a number where it is the same in both runs or nothing that has a name."""
        if pair[0] == pair[1]:
            return str(pair[0])
        for name, named in self._name_axis().items():
            found = _part(name, pair, named)
            if found:
                return found
        for name, named in self._name_axis().items():
            if 0 < pair[0] - named[0] == pair[1] - named[1] <= FEW:
                return f"{name} + {pair[0] - named[0]}"
        return str(pair[0])

    def is_channels(self, pair: Pair) -> bool:
        """Returns whether it is the size of the axis of all channels."""
        return pair == self.channels

    def positions(self, pairs: Sequence[Pair]) -> str:
        """The name of these axes together: `positions`, one named axis, or nothing of that kind (empty)."""
        together = (math.prod(a for a, _ in pairs), math.prod(b for _, b in pairs))
        if together == _product(tuple(self.axes.values())):
            return "positions"
        return next((name for name, pair in self.axes.items() if together == pair), "")

    def _name_axis(self) -> dict[str, Pair]:
        """Every size with a name, the simple ones first."""
        axes = self.axes
        names = {"c": self.channels} | dict(axes)
        if len(axes) > 1:
            names["".join(axes)] = _product(tuple(axes.values()))
            for name in axes:
                names["".join(n for n in axes if n != name)] = _product(tuple(p for n, p in axes.items() if n != name))
            pairs = list(axes.items())
            names |= {
                f"{a} + {b}": (p[0] + q[0], p[1] + q[1]) for i, (a, p) in enumerate(pairs) for b, q in pairs[i + 1 :]
            }
        return names


def _part(name: str, pair: Pair, named: Pair) -> str:
    """`pair` as a multiple or a part of what has a name; empty where it is none."""
    if pair == named:
        return name
    ratio = Fraction(pair[0], named[0])
    whole = f"({name})" if " " in name else name
    if ratio == Fraction(pair[1], named[1]):
        if ratio.denominator == 1:
            return f"{ratio.numerator}{whole}"
        top = whole if ratio.numerator == 1 else f"{ratio.numerator}{whole}"
        return f"{top}/{ratio.denominator}" if ratio.numerator <= 8 else ""
    if name in ("t", "h", "w") and pair[0] > 1:
        for part in range(2, 9):
            if all(math.ceil(n / part) == size for size, n in zip(pair, named, strict=True)):
                return f"{name}/{part}"
    return ""


def _product(pairs: Sequence[Pair]) -> Pair:
    return math.prod(a for a, _ in pairs), math.prod(b for _, b in pairs)
