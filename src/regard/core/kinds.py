"""The kinds of attention maps: which axes each has. Everything that reads maps reads their axes from here."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from regard.core.errors import ShapeError, unknown_name


class Axis(Enum):
    """The meaning of a dimension of an attention map."""

    BATCH = "batch"
    HEAD = "head"
    CHANNEL = "channel"
    POSITION = "position"
    CROSS = "cross"
    """The positions of a position's column, then those of its row."""
    BRANCH = "branch"
    KERNEL = "kernel"
    """The positions of a convolution's kernel."""
    SOURCE = "source"
    """The positions, or the steps of a sequence, that are attended to."""
    TARGET = "target"
    """The positions that attend."""
    FRAME = "frame"
    GLIMPSE = "glimpse"
    COORDINATE = "coordinate"
    """x before y before z, from -1 to 1 over the image."""

    def __str__(self) -> str:
        """The name, as `Tap` takes it."""
        return self.value

    @property
    def plural(self) -> str:
        """The word for its components.

        >>> Axis.POSITION.plural, Axis.BRANCH.plural
        ('positions', 'branches')
        """
        return {"branch": "branches", "cross": "row and column"}.get(self.value, f"{self.value}s")


REPEATING = frozenset({Axis.POSITION, Axis.KERNEL, Axis.SOURCE, Axis.TARGET})
"""Axes that a map has as often as features have position axes, each of them equally often in one map."""


@dataclass(frozen=True)
class MapKind:
    """A kind of attention map.

    Attributes:
        name: short and stable; the string for it in JSON and text.
        axes: in order. POSITION, KERNEL, SOURCE and TARGET are one or more dimensions each. Further dimensions
            have size 1: they only broadcast.
        over: the axes that the map is over, in words.
        sequential: whether TARGET and SOURCE are the steps of sequences, a single dimension each.

    Example:
        >>> kind = find_kind("query")
        >>> [str(axis) for axis in kind.dimensions(6)]
        ['batch', 'head', 'target', 'target', 'source', 'source']
        >>> kind.span(Axis.SOURCE, 6)
        range(4, 6)
    """

    name: str
    axes: tuple[Axis, ...]
    over: str
    sequential: bool = False

    def __str__(self) -> str:
        """The name."""
        return self.name

    def dimensions(self, ndim: int) -> tuple[Axis | None, ...]:
        """The axis of each dimension of such a map; None for one that only broadcasts.

        Raises:
            ShapeError: a map of this kind cannot have so many dimensions.
        """
        repeating = () if self.sequential else tuple(axis for axis in self.axes if axis in REPEATING)
        left = ndim - (len(self.axes) - len(repeating))
        if left < 0 or (repeating and left % len(repeating)) or (self.sequential and left):
            times = " (each repeating one equally often)" if repeating else ""
            raise ShapeError(
                f"A {self.name} map has the axes {', '.join(map(str, self.axes))}{times}; it cannot have {ndim} "
                "dimensions."
            )
        found: list[Axis | None] = []
        for axis in self.axes:
            found += [axis] * (left // len(repeating) if axis in repeating else 1)
        return tuple(found + [None] * (ndim - len(found)))

    def span(self, axis: Axis, ndim: int) -> range:
        """The dimensions of an axis; empty if the map has none.

        Of a map of channels over channels they are those that are attended to.
        """
        dimensions = self.dimensions(ndim)
        if axis not in dimensions:
            return range(ndim, ndim)
        last = len(dimensions) - 1 - dimensions[::-1].index(axis)
        return range(dimensions.index(axis) if axis in REPEATING else last, last + 1)


_B, _N, _C, _P = Axis.BATCH, Axis.HEAD, Axis.CHANNEL, Axis.POSITION

KINDS = (
    MapKind("gate", (_B, _C), "over channels"),
    MapKind("spatial", (_B, _N, _P), "over positions"),
    MapKind("mixed", (_B, _C, _P), "over channels and positions"),
    MapKind("branch", (_B, Axis.BRANCH, _C, _P), "over branches"),
    MapKind("kernel", (_B, _N, Axis.KERNEL), "over a kernel's positions"),
    MapKind("query", (_B, _N, Axis.TARGET, Axis.SOURCE), "of positions, over positions"),
    MapKind("cross", (_B, _N, Axis.TARGET, Axis.CROSS), "of positions, over row and column"),
    MapKind("affinity", (_B, _N, _C, _C), "of channels, over channels"),
    MapKind("grid", (_B, _P, Axis.COORDINATE), "where to sample"),
    MapKind("alignment", (_B, Axis.TARGET, Axis.SOURCE), "of queries, over keys", sequential=True),
    MapKind("frame", (_B, _N, Axis.FRAME), "over frames"),
    MapKind("glimpse", (_B, Axis.GLIMPSE, Axis.COORDINATE), "where to look"),
)
"""All kinds. For features (b, c, h, w), and with other position axes likewise, their maps are:

- `gate`: channels (b, c, 1, 1).
- `spatial`: positions (b, n, h, w), n maps, mostly one.
- `mixed`: channels and positions (b, c, h, w); an axis of size 1 is shared, as in (b, c, h, 1).
- `branch`: branches (b, k, c, 1, 1), or (b, k, 1, 1, 1), or (b, k, 1, h, w) where positions choose.
- `kernel`: the positions of a kernel (b, 1, k, k).
- `query`: for each of n heads and each position, positions: (b, n, h, w, h', w').
- `cross`: for each position those of its column and its row (b, 1, h, w, h + w).
- `affinity`: for each of n heads and each channel, channels: (b, n, c, c').
- `grid`: where each position is sampled (b, h, w, 2).
- `alignment`: for each query of a sequence its keys (b, q, k).
- `frame`: the frames of a clip (b, n, t), n maps, mostly one.
- `glimpse`: where each glimpse is taken (b, g, 2)."""


def find_kind(kind: str | MapKind) -> MapKind:
    """The kind of that name; a kind itself is left as it is.

    Raises:
        UnknownNameError: no such kind.
    """
    if isinstance(kind, MapKind):
        return kind
    for known in KINDS:
        if known.name == kind:
            return known
    raise unknown_name("kind of map", kind, [known.name for known in KINDS])


def find_axes(kind: MapKind, names: str | Axis | Iterable[str | Axis]) -> frozenset[Axis]:
    """Axes of a kind by their names.

    Raises:
        UnknownNameError: the kind has no axis of that name.

    Example:
        >>> find_axes(find_kind("branch"), "branch")
        frozenset({<Axis.BRANCH: 'branch'>})
    """
    known = {str(axis): axis for axis in kind.axes}
    given = [str(name) for name in ((names,) if isinstance(names, str | Axis) else names)]
    for name in given:
        if name not in known:
            raise unknown_name(f"axis of a {kind.name} map", name, known)
    return frozenset(known[name] for name in given)
