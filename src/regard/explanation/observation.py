"""Looking at the maps that a network applies."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from regard.core.records import Map, Maps
from regard.core.tap import Tap
from regard.explanation.paths import Paths, as_built, tapped, uncompiled


@contextmanager
def observe(net: nn.Module, *, paths: Paths = None, device: torch.device | str | None = None) -> Iterator[Maps]:
    """Collects the maps of every forward pass inside the `with` block, as they were applied.

    The network computes what it would compute unobserved, gradients included. Afterwards, also after an exception,
    nothing looks at it any more. Observers may be nested: each sees every map. A network that was compiled, before or
    after, is observed too; inside the block it runs uncompiled (see `uncompiled`).

    Args:
        net: any network with taps.
        paths: which taps, see `Paths`; all of them if None. Maps are kept as long as `Maps` is: for many passes of a
            large network choose some, or take the maps after each pass.
        device: where the maps are kept; where they were computed if None.

    Returns:
        The maps by path, each a tuple over the passes and their steps, in order: a pass is one outermost call of `net`,
        a step one call of the tap within it. What runs outside any call of `net` (a module inside it, called directly)
        makes each map in a pass of its own. They are detached copies.

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
    chosen = tapped(net, paths)
    previous = {path: tap.sink for path, tap in chosen.items()}
    maps = Maps()
    with uncompiled(), counting(net) as passes:
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
        """The network is called."""
        self._depth += 1

    def leave(self) -> None:
        """The call returns, or raises."""
        self._depth = max(0, self._depth - 1)
        if self._depth == 0:
            self._end()

    def count(self, path: str) -> tuple[int, int]:
        """The pass and the step of the call of a tap that happens now."""
        found = self._passes, self._steps[path]
        self._steps[path] += 1
        if self._depth == 0:
            self._end()
        return found

    def _end(self) -> None:
        self._passes += 1
        self._steps.clear()


@contextmanager
def counting(net: nn.Module) -> Iterator[Passes]:
    """Inside, the passes of `net` are counted; what was compiled must run uncompiled there."""
    passes, inner = Passes(), as_built(net)
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
    def sink(map: Tensor) -> None:
        if previous is not None:
            previous(map)
        # A copy: a view of a parameter would change with the next step of training.
        values = map.detach().to(device or map.device, copy=True)
        maps.add(Map(path, tap.kind, values, tap.level(values), *passes.count(path)))

    return sink
