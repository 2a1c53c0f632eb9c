"""The data flow of a module, derived from its code: it is traced, and what a reader needs is kept."""

import heapq
import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch.fx import Node

from regard.core import Mechanism, Temporal
from regard.core.seeding import use_seed
from regard.tracing.drawing import Flow, FlowEdge, FlowNode
from regard.tracing.operations import FEATURES, LEARNED, MADE, VIEWS, Operations, is_mask, operands, operation, record
from regard.tracing.regions import Region, regions
from regard.tracing.sizes import CHANNELS, PROBES
from regard.tracing.steps import Step, break_line, merge
from regard.tracing.words import words_of

END = "y"
"""The name of the step that is the result."""


def trace_flow(make: Callable[[int], Mechanism], *, title: str, dims: int = 2) -> Flow:
    """Traces a module and keeps what a reader needs: layers, statistics, activations, products, sums, maps.

    Args:
        make: builds the module for a number of channels.
        title: of the drawing.
        dims: position axes of the features.

    Returns:
        The drawing's content, for 64 channels; sizes that follow the features' are named c, h and w.

    Example:
        >>> from regard.attention import create
        >>> flow = trace_flow(lambda channels: create("se", channels=channels), title="se")
        >>> [node.lines[0] for node in flow.nodes if node.kind == "step"]
        ['mean over positions', 'linear', 'linear']
    """
    modules = tuple(make(c) for c in CHANNELS)
    with use_seed("regard.flow"), torch.no_grad():
        inputs = tuple(m.example_inputs(c, size, 1) for m, c, size in zip(modules, CHANNELS, PROBES[dims], strict=True))
    operations = record((modules[0], modules[1]), (inputs[0], inputs[1]), dims)
    shown = shown_nodes(operations)
    found = regions(operations, shown)
    starts = {n: str(n.target) for n in operations.features}
    steps = _Reader(operations, shown, found).read(starts, operations.y)
    parts = {}
    for region in found.values():
        if region.unit and region.result.name in steps and region.title not in parts:
            (start,) = region.reads(operations, shown)
            inside = {n: r for n, r in found.items() if not r.unit}
            parts[region.title] = _flow(
                region.title, _Reader(operations, shown, inside).read({start: "in"}, region.result), "out"
            )
    result = "context" if isinstance(modules[0], Temporal) else "y"
    return replace(_flow(title, steps, result), parts=tuple(parts.values()))


def _flow(name: str, steps: dict[str, Step], result: str) -> Flow:
    """Build the drawing of steps."""
    steps[END].lines = [result]
    merge(steps)
    spine = _spine(steps)
    return Flow(
        title=name,
        description=_describe(name, steps, result),
        nodes=tuple(FlowNode(name=n, kind=s.kind, lines=tuple(s.lines)) for n, s in steps.items()),
        edges=tuple(_edges(steps, spine)),
        spine=tuple(spine),
    )


class _Reader:
    """Turns operations into steps."""

    def __init__(self, operations: Operations, shown: set[Node], found: Mapping[Node, Region]) -> None:
        self.operations = operations
        self.steps: dict[str, Step] = {}
        self._shown = shown
        self._regions = found

    def read(self, starts: Mapping[Node, str], result: Node) -> dict[str, Step]:
        """The steps between the starts, with their names, and the result, in their order."""
        for node, name in starts.items():
            self.steps[node.name] = Step(
                "features", [name, self.operations.words(node)], size=self.operations.words(node)
            )
        reads = [self._reading(result)]
        self.steps[END] = Step("features", ["y"], reads)
        return _keep_needed(self.steps)

    def _reading(self, node: Node) -> tuple[str, str]:
        """The step from which a value comes, and its shape where it is only a part of the step's result."""
        name, made = self._source(node)
        return name, self.operations.words(node) if self.operations.part_of(node, made) else ""

    def _source(self, node: Node) -> tuple[str, Node]:
        """The name of the step that makes a node's values, and the node it made; the step is new where it must be."""
        if node.name in self.steps:
            return node.name, node
        if node not in self._shown or node.op == "placeholder":
            return self._add(node, Step("learned", [self._what(node), self.operations.words(node)]), [])
        region = self._regions.get(node)
        if region is not None and node is region.result:
            step = Step("unit" if region.unit else "step", [region.title])
            return self._add(node, step, region.reads(self.operations, self._shown))
        kept = [n for n in operands(node) if n in self._shown]
        if node in self.operations.maps:
            path, tap = self.operations.maps[node]
            lines = [f"map {path}", tap.kind.over, self.operations.words(node)]
            return self._add(node, Step("map", lines), kept[:1])
        name = operation(node)
        if name in VIEWS or not kept:
            return self._through(node, kept)
        words = words_of(node, kept, self.operations)
        if words is None:
            return self._source(kept[0])
        return self._add(node, Step("join" if words.joins else "step", break_line(words.text), tail=words.tail), kept)

    def _add(self, node: Node, step: Step, kept: list[Node]) -> tuple[str, Node]:
        reads = _merge_reads([self._reading(n) for n in dict.fromkeys(kept)])
        self.steps[node.name] = replace(step, reads=reads, size=self.operations.words(node))
        return node.name, node

    def _through(self, node: Node, kept: list[Node]) -> tuple[str, Node]:
        """The source of a view's values."""
        if operation(node) in ("where", "copy"):
            kept = [n for n in operands(node)[1:] if n in self._shown] or kept
        if kept:
            return self._source(kept[0])
        return self._add(node, Step("learned", [self._what(node), self.operations.words(node)]), [])

    def _what(self, node: Node) -> str:
        return "learned" if self.operations.origins[node] == LEARNED else "fixed"


def shown_nodes(operations: Operations) -> set[Node]:
    """The nodes that depend on the features or on a map, or that make a map."""
    shown: set[Node] = set()
    for node in operations.nodes:
        if is_mask(node) or operation(node) in MADE:
            continue
        depends = operations.origins.get(node) == FEATURES or any(n in shown for n in operands(node))
        if node in operations.maps or (depends and node.op in ("call_function", "placeholder")):
            shown.add(node)
    behind = list(operations.maps)
    while behind:
        for node in operands(behind.pop()):
            if node not in shown and operations.origins[node] == LEARNED and node.op == "call_function":
                shown.add(node)
                behind.append(node)
    return shown


def _merge_reads(reads: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The readings, several of one source as one."""
    found: dict[str, list[str]] = {}
    for source, part in reads:
        found.setdefault(source, []).append(part)
    several = {source: [part for part in parts if part] for source, parts in found.items()}
    return [(n, f"{len(parts)} of {parts[0]}" if len(parts) > 1 else "".join(parts)) for n, parts in several.items()]


def _keep_needed(steps: dict[str, Step]) -> dict[str, Step]:
    """The steps from which a way leads to y."""
    wanted, rest = {"y"}, ["y"]
    while rest:
        for name, _ in steps[rest.pop()].reads:
            if name not in wanted:
                wanted.add(name)
                rest.append(name)
    first = next(iter(steps))
    return {name: step for name, step in steps.items() if name in wanted or name == first}


def _spine(steps: dict[str, Step]) -> list[str]:
    """The way of the features: from x to y, through as few maps, statistics and steps as there are."""
    first = next(iter(steps))
    after: dict[str, list[str]] = {}
    for name, step in steps.items():
        for source, _ in step.reads:
            after.setdefault(source, []).append(name)
    best: dict[str, tuple[int, list[str]]] = {}
    queue = [(0, 0, first, [first])]
    counter = 0
    while queue:
        cost, _, name, path = heapq.heappop(queue)
        if name in best:
            continue
        best[name] = (cost, path)
        for following in after.get(name, ()):
            step = steps[following]
            price = 50 if step.kind == "map" else 1 if step.kind == "join" else 3
            price += 10 * any(" over " in line for line in step.lines)
            counter += 1
            heapq.heappush(queue, (cost + price, counter, following, [*path, following]))
    return best["y"][1] if "y" in best else []


def _edges(steps: dict[str, Step], spine: list[str]) -> list[FlowEdge]:
    """The edges, with sizes where they are new: of a step's result at one edge, of a part of it at each."""
    edges: list[FlowEdge] = []
    along = set(itertools.pairwise(spine))
    written: set[str] = set()
    order = sorted(
        ((s, n, p) for n, step in steps.items() for s, p in step.reads), key=lambda e: (e[0], e[1]) not in along
    )
    for source, name, part in order:
        step = steps[source]
        known = {steps[n].size for n, p in step.reads if not p} | {p for _, p in step.reads if p}
        shown = step.kind in ("map", "learned", "features") or step.size in known or source in written
        size = part or ("" if shown else step.size)
        if size and not part:
            written.add(source)
        edges.append(FlowEdge(start=source, end=name, size=size, part=bool(part)))
    return edges


def _describe(name: str, steps: dict[str, Step], result: str) -> str:
    """The steps in a sentence."""
    lines = [", ".join(step.lines) for step in steps.values() if step.kind in ("step", "map")]
    given = "queries and keys" if result == "context" else "features x"
    end = "y" if result == "out" else result
    return f"The data flow of {name}, from {given}: {'; '.join(lines)}; the result is {end}."
