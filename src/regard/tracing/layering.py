"""The placement of a directed graph's boxes: in ranks from top to bottom, with few crossings and straight edges.

The ranks and the positions in a rank are optima of linear programs, the orders in the ranks the best of several sweeps.
"""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_matrix

Point = tuple[float, float]
SWEEPS = 12


@dataclass(frozen=True)
class Spacing:
    """Distances in pixels: between ranks, between boxes of a rank, and between lines that pass a rank."""

    ranks: float = 34
    boxes: float = 26
    lines: float = 20


@dataclass(frozen=True)
class Placement:
    """The positions of boxes and edges; the spine at x = 0, the first rank at y = 0.

    Attributes:
        centres: of each box.
        routes: for each edge, in the order given, the points where it passes the ranks between its ends: the upper
            and the lower end of a vertical line for each rank.
        bottom: the largest y that a box reaches.
    """

    centres: dict[str, Point]
    routes: tuple[tuple[Point, ...], ...]
    bottom: float


def place(
    sizes: Mapping[str, Point],
    edges: Sequence[tuple[str, str]],
    spine: Sequence[str] = (),
    spacing: Spacing | None = None,
) -> Placement:
    """Places boxes in ranks, so that every edge leads downwards.

    Args:
        sizes: width and height of each box by its name.
        edges: from box to box, without a cycle.
        spine: boxes of a path that are placed straight below one another, at the left of everything else.
        spacing: the distances.

    Returns:
        The centres of the boxes, and the ways of the edges.

    Example:
        >>> place({"a": (20, 10), "b": (20, 10)}, [("a", "b")], ["a", "b"]).centres
        {'a': (0.0, 5.0), 'b': (0.0, 49.0)}
    """
    spacing = spacing or Spacing()
    ranks = _ranks(list(sizes), edges, spine[:1])
    chains = _chains(ranks, edges)
    fixed = {*spine, *_waypoints(edges, chains, spine)}
    rows = _rows(ranks, chains)
    links = [pair for chain in chains for pair in itertools.pairwise(chain)]
    rows = _order(rows, links, fixed)
    across = _across(rows, links, sizes, fixed, spacing)
    tops, heights = _tops(rows, sizes, spacing)
    level = {name: i for i, row in enumerate(rows) for name in row}
    centres = {name: (across[name], tops[level[name]] + heights[level[name]] / 2) for name in sizes}
    routes = tuple(
        tuple(
            (across[name], tops[level[name]] + part * heights[level[name]]) for name in chain[1:-1] for part in (0, 1)
        )
        for chain in chains
    )
    return Placement(centres, routes, tops[-1] + heights[-1])


def _ranks(names: list[str], edges: Sequence[tuple[str, str]], first: Sequence[str]) -> dict[str, int]:
    """The rank of each box that makes edges as short as possible, each at least one; boxes of `first` have rank 0."""
    index = {name: i for i, name in enumerate(names)}
    cost = np.zeros(len(names))
    for start, end in edges:
        cost[index[end]] += 1
        cost[index[start]] -= 1
    rows = [{index[start]: 1.0, index[end]: -1.0} for start, end in edges]
    limits = [(0.0, 0.0 if name in first else None) for name in names]
    solved = _solve(cost + 1e-3, rows, [-1.0] * len(rows), limits)
    return {name: round(solved[i]) for name, i in index.items()}


def _chains(ranks: Mapping[str, int], edges: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Each edge with a waypoint in every rank that it passes."""
    return [
        [start, *(f"{i}@{rank}" for rank in range(ranks[start] + 1, ranks[end])), end]
        for i, (start, end) in enumerate(edges)
    ]


def _waypoints(edges: Sequence[tuple[str, str]], chains: list[list[str]], spine: Sequence[str]) -> set[str]:
    """The waypoints of the edges along the spine."""
    along = set(itertools.pairwise(spine))
    return {name for edge, chain in zip(edges, chains, strict=True) if edge in along for name in chain[1:-1]}


def _rows(ranks: Mapping[str, int], chains: list[list[str]]) -> list[list[str]]:
    """The names in each rank, boxes and waypoints, in the order in which they were given."""
    rows: list[list[str]] = [[] for _ in range(max(ranks.values()) + 1)]
    for name, rank in ranks.items():
        rows[rank].append(name)
    for chain in chains:
        for offset, name in enumerate(chain[1:-1], start=1):
            rows[ranks[chain[0]] + offset].append(name)
    return rows


def _order(rows: list[list[str]], links: list[tuple[str, str]], fixed: set[str]) -> list[list[str]]:
    """The rows in the order with the fewest crossings of several sweeps, those of `fixed` first."""
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for start, end in links:
        above.setdefault(end, []).append(start)
        below.setdefault(start, []).append(end)
    rows = [sorted(row, key=lambda name: name not in fixed) for row in rows]
    best, fewest = rows, _crossings(rows, below)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        rows = _sweep(rows, above if down else below, fixed, down=down)
        crossings = _crossings(rows, below)
        if crossings < fewest:
            best, fewest = rows, crossings
    return _swap(best, above, below, fixed)


def _sweep(rows: list[list[str]], near: Mapping[str, list[str]], fixed: set[str], *, down: bool) -> list[list[str]]:
    """The rows, each sorted by where the neighbours of its names are in the row before."""
    swept: list[list[str]] = []
    before: dict[str, int] = {}
    for row in rows if down else reversed(rows):
        wanted = {name: float(k) for k, name in enumerate(row)}
        for name in row:
            seen = [before[n] for n in near.get(name, ()) if n in before]
            wanted[name] = sum(seen) / len(seen) if seen else wanted[name]
        swept.append([name for _, _, _, name in sorted((n not in fixed, wanted[n], k, n) for k, n in enumerate(row))])
        before = {name: k for k, name in enumerate(swept[-1])}
    return swept if down else swept[::-1]


def _swap(
    rows: list[list[str]], above: Mapping[str, list[str]], below: Mapping[str, list[str]], fixed: set[str]
) -> list[list[str]]:
    """The rows after every swap of two neighbours that saves a crossing."""
    rows, better = [list(row) for row in rows], True
    while better:
        better = False
        for i, row in enumerate(rows):
            for k in range(len(row) - 1):
                a, b = row[k], row[k + 1]
                if a in fixed or b in fixed:
                    continue
                saved = 0
                for near, other in (
                    (above, rows[i - 1] if i else []),
                    (below, rows[i + 1] if i + 1 < len(rows) else []),
                ):
                    index = {name: p for p, name in enumerate(other)}
                    ends = [(index[u], index[v]) for u in near.get(a, ()) for v in near.get(b, ())]
                    saved += sum((u > v) - (u < v) for u, v in ends)
                if saved > 0:
                    row[k], row[k + 1], better = b, a, True
    return rows


def _crossings(rows: list[list[str]], below: Mapping[str, list[str]]) -> int:
    total = 0
    for upper, lower in itertools.pairwise(rows):
        index = {name: i for i, name in enumerate(lower)}
        ends = [sorted(index[n] for n in below.get(name, ())) for name in upper]
        total += sum(v > w for a, b in itertools.combinations(ends, 2) for v in a for w in b)
    return total


def _across(
    rows: list[list[str]],
    links: list[tuple[str, str]],
    sizes: Mapping[str, Point],
    fixed: set[str],
    spacing: Spacing,
) -> dict[str, float]:
    """The x of every name that makes the edges straight, long ones before short ones."""
    names = [name for row in rows for name in row]
    index = {name: i for i, name in enumerate(names)}
    cost, constraints, bounds = [1e-3] * len(names), [], []
    leaving = Counter(start for start, _ in links)
    reaching = Counter(end for _, end in links)
    for i, (start, end) in enumerate(links, start=len(names)):
        passing = (start not in sizes) + (end not in sizes)
        alone = 4 if leaving[start] == reaching[end] == 1 else 1
        cost.append(0.3 if {start, end} & fixed else float((alone, 3, 8)[passing]))
        for sign in (1.0, -1.0):
            constraints.append({index[start]: sign, index[end]: -sign, i: -1.0})
            bounds.append(0.0)
    for row in rows:
        for a, b in itertools.pairwise(row):
            gap = spacing.boxes if a in sizes or b in sizes else spacing.lines
            apart = (sizes.get(a, (0, 0))[0] + sizes.get(b, (0, 0))[0]) / 2 + gap
            constraints.append({index[a]: 1.0, index[b]: -1.0})
            bounds.append(-apart)
    own = [(0.0, 0.0) if name in fixed else (None, None) for name in names]
    limits = own + [(0.0, None)] * len(links)
    low = min(0.0, *(-sum(sizes.get(n, (0, 0))[0] + spacing.boxes for n in row) for row in rows))
    limits = [(low, None) if limit == (None, None) else limit for limit in limits]
    solved = _solve(np.array(cost), constraints, bounds, limits)
    return {name: float(solved[i]) for name, i in index.items()}


def _solve(
    cost: NDArray[np.float64],
    rows: list[dict[int, float]],
    bounds: list[float],
    limits: Sequence[tuple[float | None, float | None]],
) -> NDArray[np.float64]:
    """The x of least cost with rows x <= bounds, x within the limits."""
    if not rows:
        return np.zeros(len(cost))
    entries = [(i, k, value) for i, row in enumerate(rows) for k, value in row.items()]
    i, k, values = zip(*entries, strict=True)
    matrix = csr_matrix((values, (i, k)), shape=(len(rows), len(cost)))
    solved: NDArray[np.float64] = linprog(cost, A_ub=matrix, b_ub=bounds, bounds=limits).x
    return solved


def _tops(rows: list[list[str]], sizes: Mapping[str, Point], spacing: Spacing) -> tuple[list[float], list[float]]:
    """The top and the height of each rank."""
    heights = [max((sizes[name][1] for name in row if name in sizes), default=0.0) for row in rows]
    tops = [0.0]
    for height in heights[:-1]:
        tops.append(tops[-1] + height + spacing.ranks)
    return tops, heights
