"""The records that rooms pass to one another: maps as they were applied."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from regard.core.errors import RegardError
from regard.core.tap import MapKind


@dataclass(frozen=True, eq=False)
class Map:
    """The weights that one tap let pass in one forward pass, as applied.

    Attributes:
        path: the tap's path in the network, for example `layer1.0.attention.gate`.
        kind: what the map is over; see `MapKind` for the shapes.
        values: detached weights, batch first, broadcastable over the features they weigh.
        neutral: the value that does nothing; NaN where no single number does, as for a grid.
    """

    path: str
    kind: MapKind
    values: Tensor
    neutral: float

    def channels(self) -> Tensor | None:
        """(b, c) weights of the channels, a mixed map averaged over positions; None where there are none."""
        if self.kind == "gate":
            return self.values.flatten(1)
        return self.values.flatten(2).mean(2) if self.kind == "mixed" else None

    def branches(self) -> Tensor | None:
        """(b, k, c) weights of each branch's channels; None unless the map is over branches and their channels."""
        if self.kind != "branch" or self.values.shape[2] == 1 or self.values.shape[2:].numel() > self.values.shape[2]:
            return None
        return self.values.flatten(2)

    def positions(self) -> Tensor | None:
        """(b, ...) weights of the positions; None where there are none.

        Several maps of positions are averaged, also those of branches, and a mixed map over channels. Of a map in which
        positions look at positions it is what each one gets, averaged over heads and over those that look.
        """
        if self.kind in ("spatial", "mixed"):
            return self.values.mean(1)
        if self.kind == "branch" and self.values.shape[3:].numel() > 1:
            return self.values.mean((1, 2))
        if self.kind == "query":
            looking = (self.values.ndim - 2) // 2
            return self.values.mean(tuple(range(1, 2 + looking)))
        return _crossed(self.values) if self.kind == "cross" else None


def _crossed(values: Tensor) -> Tensor:
    """(b, h, w) what each position gets from its column and its row, of a cross map (b, n, h, w, h + w)."""
    height, width = values.shape[2:4]
    column = values[..., :height].mean(1).sum(1).transpose(1, 2)  # over those in the column that look: (b, h, w)
    row = values[..., height:].mean(1).sum(2)
    return (column + row) / (height * width)


class Maps(Mapping[str, tuple[Map, ...]]):
    """What `observe` saw: for each tap's path the maps of all forward passes, in order.

    `maps.one(path)` is the map of a single pass; `maps[path]` is always a tuple.
    """

    def __init__(self) -> None:
        self._maps: dict[str, list[Map]] = {}

    def add(self, seen: Map) -> None:
        """Appends a map to those of its path."""
        self._maps.setdefault(seen.path, []).append(seen)

    def __getitem__(self, path: str) -> tuple[Map, ...]:
        return tuple(self._maps[path])

    def __iter__(self) -> Iterator[str]:
        return iter(self._maps)

    def __len__(self) -> int:
        return len(self._maps)

    def one(self, path: str) -> Map:
        """The map at `path` where the network ran once; an error where it ran several times."""
        seen = self[path]
        if len(seen) != 1:
            raise RegardError(
                f"The tap {path!r} saw {len(seen)} passes, so there is no single map: "
                f"take one of maps[{path!r}], or observe one forward pass."
            )
        return seen[0]

    def __repr__(self) -> str:
        rows = (f"  {p}: {m[0].kind} {tuple(m[0].values.shape)} x {len(m)}" for p, m in self._maps.items())
        return "Maps(\n" + "\n".join(rows) + "\n)"
