"""The records that rooms pass to one another: maps as they were applied."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.core.errors import RegardError
from regard.core.kinds import Axis, MapKind


@dataclass(frozen=True, eq=False)
class Map:
    """The weights that one tap let pass once, as applied.

    Attributes:
        path: the tap's path in the network, for example `layer1.0.attention.gate`.
        kind: the kind of map, which defines the axes of `values`.
        values: detached weights, batch first, broadcastable over the features that they rescale.
        neutral: the value that does nothing; NaN where no single number does, as for a grid.
        pass_: in which pass of the network it was made, counted from 0: a pass is one outermost call.
        step: which call of the tap in that pass it was, counted from 0.
    """

    path: str
    kind: MapKind
    values: Tensor
    neutral: float
    pass_: int = 0
    step: int = 0

    @property
    def name(self) -> str:
        """The path, of a later step with its number: `PATH#2` is the second call of a tap in one pass."""
        return self.path if self.step == 0 else f"{self.path}#{self.step + 1}"

    def channels(self) -> Tensor | None:
        """(b, c) weights of the channels, averaged over positions; None where there are none."""
        axes = self.kind.axes
        if axes.count(Axis.CHANNEL) != 1 or Axis.BRANCH in axes:
            return None
        return self.values.flatten(2).mean(2) if Axis.POSITION in axes else self.values.flatten(1)

    def branches(self) -> Tensor | None:
        """(b, k, c) weights of each branch's channels; None unless the map is over branches and their channels."""
        if Axis.BRANCH not in self.kind.axes or self._size(Axis.CHANNEL) == 1 or self._size(Axis.POSITION) > 1:
            return None
        return self.values.flatten(2)

    def positions(self) -> Tensor | None:
        """(b, ...) weights of the positions; None where there are none.

        They are averaged over heads, channels and branches. Of a map of positions over positions it is the weight
        of each source, averaged over the queries too.
        """
        axes = self.kind.axes
        if Axis.CROSS in axes:
            return _sum_rows_and_columns(self.values)
        kept = Axis.SOURCE if Axis.SOURCE in axes else Axis.POSITION
        chosen = Axis.BRANCH not in axes or self._size(Axis.POSITION) > 1
        if kept not in axes or Axis.COORDINATE in axes or not chosen:
            return None
        span = self.kind.span(kept, self.values.ndim)
        return self.values.mean(tuple(range(1, span.start)))

    def _size(self, axis: Axis) -> int:
        """The number of components of an axis."""
        span = self.kind.span(axis, self.values.ndim)
        return self.values.shape[span.start : span.stop].numel()


def _sum_rows_and_columns(values: Tensor) -> Tensor:
    """(b, h, w) what each position gets from its column and its row, of a cross map (b, n, h, w, h + w)."""
    height, width = values.shape[2:4]
    column = values[..., :height].mean(1).sum(1).transpose(1, 2)  # over the queries of the column: (b, h, w)
    row = values[..., height:].mean(1).sum(2)
    return (column + row) / (height * width)


class Maps(Mapping[str, tuple[Map, ...]]):
    """The maps that `observe` recorded: for each tap's path, in order, those of all passes and of all their steps.

    `maps[path]` is always a tuple; `maps.one(path)` is the only map there, `maps.steps(path)` all those of one pass.
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
        """The map at `path` where there is only one; an error where there are several."""
        seen = self[path]
        if len(seen) == 1:
            return seen[0]
        passes = len({one.pass_ for one in seen})
        what, remedy = f"{passes} passes", "observe one forward pass"
        if passes == 1:
            what, remedy = f"{len(seen)} steps of one pass", f"have all of them by maps.steps({path!r})"
        raise RegardError(
            f"The tap {path!r} saw {what}, so there is no single map: take one of maps[{path!r}], or {remedy}."
        )

    def by_name(self) -> dict[str, Map]:
        """Every map of one pass under its name, see `Map.name`.

        Raises:
            RegardError: there were several passes, whose maps share their names.
        """
        found = {one.name: one for seen in self._maps.values() for one in seen}
        if len(found) < sum(map(len, self._maps.values())):
            raise RegardError(
                "Maps of several passes share their names: observe one forward pass, or take them from maps[path]."
            )
        return found

    def steps(self, path: str) -> Tensor:
        """All maps of one pass at `path`, in order.

        Returns:
            (b, t, ...) the maps of t steps; of an alignment (b, q, k): the queries of one step behind those of another.

        Raises:
            RegardError: the tap saw several passes, or maps of several shapes.

        Example:
            >>> from regard.core.kinds import find_kind
            >>> maps = Maps()
            >>> for step in range(3):
            ...     maps.add(Map("gate", find_kind("gate"), torch.zeros(2, 8, 1, 1), 1.0, step=step))
            >>> maps.steps("gate").shape
            torch.Size([2, 3, 8, 1, 1])
        """
        seen = self[path]
        if len({one.pass_ for one in seen}) > 1:
            raise RegardError(
                f"The tap {path!r} saw {len({one.pass_ for one in seen})} passes, each with steps of its own: observe "
                f"one forward pass, or take those of one pass from maps[{path!r}]."
            )
        joined = seen[0].kind.sequential
        shapes = [tuple(one.values.shape) for one in seen]
        if len({(shape[0], shape[2:]) if joined else shape for shape in shapes}) > 1:
            raise RegardError(
                f"The tap {path!r} saw maps of shapes {', '.join(map(str, shapes))} in the steps of one pass, which "
                f"do not fit into one tensor: take them one by one from maps[{path!r}]."
            )
        values = [one.values for one in seen]
        return torch.cat(values, 1) if joined else torch.stack(values, 1)

    def __repr__(self) -> str:
        rows = (f"  {p}: {m[0].kind} {tuple(m[0].values.shape)} x {len(m)}" for p, m in self._maps.items())
        return "Maps(\n" + "\n".join(rows) + "\n)"
