"""Parts of a mechanism that are one thing to a reader: a shared function such as `interpolate`, a repeated unit."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass

from torch.fx import Node

from regard.tracing.operations import LEARNED, VIEWS, Operations, calls_of, modules_of, operands, operation, shape_of
from regard.tracing.words import PRODUCTS

MANY = 3
"""Operations that a repeated unit has at least, to be drawn once and named afterwards."""

LAYERS = frozenset({"linear", "conv1d", "conv2d", "conv3d"})
"""Operations that a reader wants to see, whichever function calls them."""

FOREIGN = "torch."
"""Prefixes of layer classes whose inside is no part of a mechanism."""


@dataclass(frozen=True, eq=False)
class Region:
    """Operations that are drawn as one box.

    Attributes:
        title: its name in the drawing.
        nodes: its operations.
        result: the node that others read.
        unit: whether it is a repeated unit, whose inside is drawn apart.
    """

    title: str
    nodes: frozenset[Node]
    result: Node
    unit: bool = False

    def reads(self, operations: Operations, shown: set[Node]) -> list[Node]:
        """The nodes that it reads from outside: those shown, and the learned kernels and tables that it works on."""
        read = [n for node in operations.nodes if node in self.nodes for n in operands(node) if n not in self.nodes]
        tables = [n for n in read if operations.origins[n] == LEARNED and len(shape_of(n)) > 2 and not self.unit]
        return list(dict.fromkeys(n for n in read if n in shown or n in tables))


def regions(operations: Operations, shown: set[Node]) -> dict[Node, Region]:
    """The region of each node that is in one; the outermost, modules before functions."""
    found: dict[Node, Region] = {}
    for grouped in (_shared_modules(operations), _units(operations), _functions(operations)):
        for title, nodes, unit in grouped:
            free = frozenset(nodes) - found.keys()
            region = _region(title, frozenset(nodes), unit, operations, shown) if len(free) == len(nodes) else None
            if region is not None:
                found |= dict.fromkeys(region.nodes, region)
    return found


def _region(title: str, nodes: frozenset[Node], unit: bool, operations: Operations, shown: set[Node]) -> Region | None:
    """The region of these nodes, where it passes no map, does more than one thing, and has one result."""
    visible = [n for n in nodes if n in shown]
    steps = [n for n in visible if operation(n) not in VIEWS]
    mixes = [n for n in steps if operation(n) in PRODUCTS and "product" not in title and _is_learned(n, operations)]
    results = [n for n in visible if any(user not in nodes for user in n.users)]
    alone = unit or not any(operation(n) in LAYERS and _is_learned(n, operations) for n in steps)
    if any(n in operations.maps for n in nodes) or not (len(steps) > 1 or mixes) or len(results) != 1 or not alone:
        return None
    return Region(title, nodes, results[0], unit)


def _is_learned(node: Node, operations: Operations) -> bool:
    """Returns whether it reads something learned."""
    return any(operations.origins[n] == LEARNED for n in operands(node))


def _units(operations: Operations) -> list[tuple[str, list[Node], bool]]:
    """Modules other than PyTorch's of which there are several alike."""
    inside: dict[tuple[str, str], list[Node]] = defaultdict(list)
    for node in operations.nodes:
        for path, kind in modules_of(node):
            if path and not kind.startswith(FOREIGN):
                inside[path, kind].append(node)
    shapes = {key: tuple(operation(n) for n in nodes) for key, nodes in inside.items()}
    alike = Counter((kind, shapes[path, kind]) for path, kind in inside)
    return [
        (_words(kind.rpartition(".")[2]), nodes, True)
        for (path, kind), nodes in inside.items()
        if alike[kind, shapes[path, kind]] > 1 and len(set(shapes[path, kind])) >= MANY
    ]


def _shared_modules(operations: Operations) -> list[tuple[str, list[Node], bool]]:
    """Modules whose class several mechanisms share, such as a normalisation."""
    inside: dict[tuple[str, str], list[Node]] = defaultdict(list)
    for node in operations.nodes:
        for path, kind in modules_of(node):
            if operations.shares(kind.rpartition(".")[0]):
                inside[path, kind].append(node)
    return [(_words(kind.rpartition(".")[2]), nodes, False) for (_, kind), nodes in inside.items()]


def _functions(operations: Operations) -> list[tuple[str, list[Node], bool]]:
    """Calls of functions that several mechanisms share; outer ones first."""
    inside: dict[tuple[int, str, int], list[Node]] = defaultdict(list)
    for node in operations.nodes:
        for depth, call in enumerate(calls_of(node)):
            if not call.function.startswith(("_", "<", "forward")):
                inside[depth, call.function, call.number].append(node)
    ordered = sorted(inside.items(), key=lambda item: item[0][0])
    return [(function.strip("_").replace("_", " "), nodes, False) for (_, function, _), nodes in ordered]


def _words(name: str) -> str:
    """`_ResidualUnit` as `residual unit`."""
    return " ".join(re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)).lower()
