"""Sites of insertion, found in the flow of a forward pass by structure, not by the names of classes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import nn

from regard.surgery.attended import ALREADY, is_inserted, refusal
from regard.surgery.dataflow import CONSTANT, NORMALISATIONS, Flow, members

At = Literal["residual", "stage", "conv"]
KINDS: tuple[At, ...] = get_args(At)

_PASSIVE = ("Identity", "DropPath", "StochasticDepth", "DropBlock2d", "LayerScale", "LayerScale2d")
_STEPS = frozenset(
    {"mul", "view", "permute", "transpose", "clone", "_unsafe_view", "reshape", "contiguous", "slice", "roll"}
)
_ACTIVATIONS = frozenset(
    {"relu", "silu", "gelu", "hardswish", "leaky_relu", "elu", "hardtanh", "clamp", "clamp_min", "mish", "prelu"}
    | {"hardsigmoid", "_prelu_kernel"}
)


@dataclass(frozen=True)
class Site:
    """The result of a module, at which a mechanism can be inserted.

    Attributes:
        path: of the module.
        at: `residual`, before the addition of a shortcut; `stage`, between two stages; `conv`, after a convolution with
            its normalisation and activation.
        host: the class of the module, as it is called.
        channels: of its result.
        positions: the sizes of the result's other axes but the batch, for the example.
        axis: the result's axis of channels.
        calls: how often a pass runs the module.
    """

    path: str
    at: At
    host: str
    channels: int
    positions: tuple[int, ...]
    axis: int
    calls: int = 1
    shape: tuple[int, ...] = field(default=(), repr=False)
    dtype: torch.dtype = field(default=torch.float32, repr=False)
    device: torch.device = field(default=torch.device("cpu"), repr=False)


@dataclass(frozen=True)
class Rejected:
    """A result that is like a site and is none, with the reason."""

    path: str
    at: At
    reason: str


Found = tuple[tuple[Site, ...], tuple[Rejected, ...]]


def find_sites(net: nn.Module, flow: Flow) -> Found:
    """The sites of all kinds, in the order of the pass, and what was rejected."""
    modules = dict(net.named_modules())
    sites: list[Site] = []
    rejected: list[Rejected] = []
    for at, candidates in (
        ("residual", _residual(flow, modules)),
        ("stage", _stages(flow, modules)),
        ("conv", _convs(flow, modules)),
    ):
        good, bad = _resolve(at, candidates, flow, modules)  # type: ignore[arg-type]
        sites += good
        rejected += bad
    return tuple(sites), tuple(rejected)


Candidates = tuple[tuple[str, int], ...]
"""The modules, with their values, any of which may be the host of a site, the best first."""


def _resolve(at: At, candidates: Iterator[Candidates], flow: Flow, modules: dict[str, nn.Module]) -> Found:
    """The sites of one kind: each at the first host whose every call is a candidate."""
    every = list(candidates)
    hits: dict[str, set[int]] = {}
    for one in every:
        for path, value in one:
            hits.setdefault(path, set()).add(value)
    sites: dict[str, Site] = {}
    rejected: dict[str, Rejected] = {}
    for one in every:
        reasons = [(path, _reason(path, value, hits[path], flow, modules)) for path, value in one]
        chosen = next((i for i, (_, reason) in enumerate(reasons) if reason is None), None)
        if chosen is None:
            path, reason = reasons[0]
            rejected.setdefault(path, Rejected(path, at, reason or ""))
            continue
        path, value = one[chosen]
        sites.setdefault(path, _site(at, path, value, flow, modules[path]))
    return tuple(sites.values()), tuple(r for r in rejected.values() if r.path not in sites)


def _reason(path: str, value: int, hits: set[int], flow: Flow, modules: dict[str, nn.Module]) -> str | None:
    """The reason why a module is no host of a site at a value, or None."""
    calls = flow.calls[path]
    if set(calls) - hits:
        return f"a pass runs it {len(calls)} times, and {len(hits)} of its results are sites"
    shapes = {(flow.values[i].shape[flow.values[i].axis or 0], flow.values[i].axis) for i in calls if i is not None}
    if flow.values[value].axis is None:
        return "the axis of its channels is not known"
    if len(shapes) > 1:
        return f"a pass runs it {len(calls)} times, with different numbers of channels"
    if len(flow.values[value].shape) < 3:
        return "its result has no positions"
    parents = [modules[path.rsplit(".", up)[0]] for up in range(1, path.count(".") + 1)]
    if any(is_inserted(module) for module in (modules[path], *parents)):
        return ALREADY
    if any(isinstance(parent, nn.TransformerEncoderLayer) for parent in (modules[""], *parents)):
        return "the fused form of nn.TransformerEncoderLayer does not run its modules in inference"
    return refusal(modules[path])


def _site(at: At, path: str, index: int, flow: Flow, module: nn.Module) -> Site:
    value = flow.values[index]
    assert value.axis is not None
    return Site(
        path, at, type(module).__name__, value.shape[value.axis], value.positions, value.axis, len(flow.calls[path]),
        value.shape, value.dtype, value.device,
    )  # fmt: skip


def _residual(flow: Flow, modules: dict[str, nn.Module]) -> Iterator[Candidates]:
    """The results of residual branches, before the shortcuts are added."""
    for index in members(flow.reaching):
        value = flow.values[index]
        if value.operation != "add" or len(value.parents) != 2 or CONSTANT in value.parents or len(value.shape) < 3:
            continue
        branch = _branch(flow, index, *value.parents)
        if branch is not None:
            yield from _hosts(flow, modules, *branch)


def _branch(flow: Flow, total: int, first: int, second: int) -> tuple[int, int] | None:
    """The result of the residual branch of a sum, and the set of the branch's values; None for any other sum."""
    if not flow.values[first].shape == flow.values[second].shape == flow.values[total].shape:
        return None
    common = (flow.before[first] | 1 << first) & (flow.before[second] | 1 << second)
    if not common:
        return None
    start = common.bit_length() - 1
    sides = {end: (flow.before[end] | 1 << end) & flow.after[start] for end in (first, second)}
    (short, long) = sorted(sides, key=lambda end: flow.weights_in(sides[end]))
    if flow.weights_in(sides[short]) == flow.weights_in(sides[long]):
        return None
    # Parallel branches of a block that is folded for inference, as in RepVGG: the normalisation is a branch of its own.
    lone = not flow.weights_in(sides[short])
    if lone and any(flow.values[i].operation in NORMALISATIONS for i in members(sides[short])):
        return None
    inside = sides[long]
    allowed = inside | 1 << start
    for index in members(inside):
        if any(consumer != total and not inside >> consumer & 1 for consumer in flow.consumers[index]):
            return None
        if any(parent != CONSTANT and not allowed >> parent & 1 for parent in flow.values[index].parents):
            return None
    return long, inside


def _hosts(flow: Flow, modules: dict[str, nn.Module], index: int, inside: int) -> Iterator[Candidates]:
    """The modules that returned a branch's result, back through scales and reshapes; those that do nothing last."""
    active: list[tuple[str, int]] = []
    passive: list[tuple[str, int]] = []
    while True:
        for path in flow.returned.get(index, ()):
            if path:
                (passive if _is_passive(modules[path]) else active).append((path, index))
        parents = [parent for parent in flow.values[index].parents if parent != CONSTANT]
        if active or flow.values[index].operation not in _STEPS or len(parents) != 1 or not inside >> parents[0] & 1:
            break
        index = parents[0]
    if active or passive:
        yield (*active[:1], *passive[:1], *active[1:])


def _is_passive(module: nn.Module) -> bool:
    empty = isinstance(module, nn.Sequential) and not len(module)
    return empty or isinstance(module, nn.Identity | nn.modules.dropout._DropoutNd) or type(module).__name__ in _PASSIVE


def _stages(flow: Flow, modules: dict[str, nn.Module]) -> Iterator[Candidates]:
    """The last values of every size on the way to the smallest features, but the last size."""
    grids = [i for i in members(flow.reaching) if _is_grid(flow, i)]
    if not grids:
        return
    smallest = min(_area(flow, i) for i in grids)
    target = max(i for i in grids if _area(flow, i) == smallest)
    ends: dict[int, list[int]] = {}
    for index in _cuts(flow, flow.before[target] | 1 << target):
        if _is_grid(flow, index) and any(flow.returned[index]):
            ends.setdefault(_area(flow, index), []).append(index)
    previous = 0
    for cuts in list(ends.values())[:-1]:
        if cuts[-1] > previous and flow.weights_in(flow.before[cuts[-1]] & ~((1 << previous + 1) - 1)) >= 2:
            # A block that shrinks its input may widen it first: the outermost module says where the stage ends.
            best = min(cuts, key=lambda index: (_depth(flow, index), -index))
            yield tuple((path, i) for i in (best, cuts[-1]) for path in reversed(flow.returned[i]) if path)
        previous = max(previous, cuts[-1])


def _depth(flow: Flow, index: int) -> int:
    """The depth of the outermost module that returned a value."""
    return min(path.count(".") for path in flow.returned[index] if path)


def _is_grid(flow: Flow, index: int) -> bool:
    value = flow.values[index]
    # Not the reshaped values inside a module, as of a shuffle of channels.
    return index in flow.returned and len(value.shape) > 3 and value.axis is not None and min(value.positions) > 1


def _area(flow: Flow, index: int) -> int:
    area = 1
    for size in flow.values[index].positions:
        area *= size
    return area


def _cuts(flow: Flow, inside: int) -> Iterator[int]:
    """The values of a set that every path through it passes: no edge leads past them."""
    furthest = 0
    for index in members(inside):
        if furthest <= index:
            yield index
        furthest = max((furthest, *(c for c in flow.consumers[index] if inside >> c & 1)))


def _convs(flow: Flow, modules: dict[str, nn.Module]) -> Iterator[Candidates]:
    """The results of convolutions wider than one position, each with its normalisation and activation."""
    for index in members(flow.reaching):
        if max(flow.values[index].kernel, default=1) == 1:
            continue
        chain = [index]
        while len(flow.consumers[chain[-1]]) == 1:
            (after,) = flow.consumers[chain[-1]]
            if flow.values[after].operation not in NORMALISATIONS | _ACTIVATIONS:
                break
            chain.append(after)
        hosts = [(path, i) for i in reversed(chain) for path in flow.returned.get(i, ()) if path]
        hosts = [host for host in hosts if not _is_passive(modules[host[0]])]
        if hosts:
            yield tuple(hosts)
