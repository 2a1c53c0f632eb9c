"""Observation of the maps that a network applies."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from regard.core.records import Map, Maps
from regard.core.tap import Tap
from regard.explanation.paths import Paths, find_taps, run_uncompiled, unwrap


@contextmanager
def observe(net: nn.Module, *, paths: Paths = None, device: torch.device | str | None = None) -> Iterator[Maps]:
    """Collects the maps of every forward pass inside the `with` block, as they were applied.

    The outputs and gradients of the network are those of an unobserved pass. Observation ends with the block, also
    after an exception. Observers may be nested: each sees every map. A network that was compiled, before or
    after, is observed too; inside the block it runs uncompiled (see `run_uncompiled`).

    Args:
        net: any network with taps.
        paths: the taps, see `Paths`; all of them if None. Maps are kept as long as `Maps` is: for many passes of a
            large network choose some, or take the maps after each pass.
        device: the device of the maps; if None, the device on which they were computed.

    Returns:
        The maps by path, each a tuple over the passes and their steps, in order: a pass is one outermost call of `net`,
        a step one call of the tap within it. In a module that is called directly, outside any call of `net`,
        each map is a pass of its own. They are detached copies.

    Raises:
        RegardError: the network has no taps.
        UnknownNameError: a path that fits no tap.

    Example:
        >>> from regard.core import Tap
        >>> net = nn.Sequential(nn.Sigmoid(), Tap("gate"))
        >>> with observe(net) as maps:
        ...     _ = net(torch.zeros(1, 2, 1, 1))
        >>> maps.one("1").values.flatten().tolist()
        [0.5, 0.5]
    """
    chosen = find_taps(net, paths)
    previous = {path: tap.sink for path, tap in chosen.items()}
    maps = Maps()
    with run_uncompiled(), count_passes(net) as passes:
        try:
            for path, tap in chosen.items():
                tap.sink = _sink(path, tap, maps, passes, device, previous[path])
            yield maps
        finally:
            for path, tap in chosen.items():
                tap.sink = previous[path]


class Passes:
    """Counts the outermost calls of a network, and the calls of each tap within one."""

    def __init__(self) -> None:
        self._depth = 0
        self._passes = 0
        self._steps: Counter[str] = Counter()

    def enter(self) -> None:
        """Registers the start of a call of the network."""
        self._depth += 1

    def leave(self) -> None:
        """Registers the end of a call, by return or exception."""
        self._depth = max(0, self._depth - 1)
        if self._depth == 0:
            self._end()

    def count(self, path: str) -> tuple[int, int]:
        """Returns the pass and the step of the current call of a tap."""
        found = self._passes, self._steps[path]
        self._steps[path] += 1
        if self._depth == 0:
            self._end()
        return found

    def _end(self) -> None:
        self._passes += 1
        self._steps.clear()


@contextmanager
def count_passes(net: nn.Module) -> Iterator[Passes]:
    """Counts the passes of `net` inside the block, where compiled modules must run uncompiled."""
    passes, inner = Passes(), unwrap(net)
    hooks = (
        inner.register_forward_pre_hook(lambda _module, _inputs: passes.enter(), prepend=True),
        inner.register_forward_hook(lambda _module, _inputs, _output: passes.leave(), always_call=True),
    )
    try:
        yield passes
    finally:
        for hook in hooks:
            hook.remove()


def _sink(
    path: str,
    tap: Tap,
    maps: Maps,
    passes: Passes,
    device: torch.device | str | None,
    previous: Callable[[Tensor], object] | None,
) -> Callable[[Tensor], object]:
    def sink(weights: Tensor) -> None:
        if previous is not None:
            previous(weights)
        # A copy: a view of a parameter would change with the next step of training.
        values = weights.detach().to(device or weights.device, copy=True)
        maps.add(Map(path, tap.kind, values, tap.level(values), *passes.count(path)))

    return sink
