"""Selection of a network's taps by path, and uncompiled runs of compiled networks."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase

import torch
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from regard.core.errors import RegardError, unknown_name
from regard.core.tap import Tap, taps

Paths = str | Sequence[str] | None
"""A selection of taps: None for all, else paths, modules that contain them (`layer1`) or patterns (`layer1.*.gate`)."""


def find_taps(net: nn.Module, paths: Paths = None) -> dict[str, Tap]:
    """Returns the taps of `net` by their path in the network without wrappers.

    Args:
        net: any network; compiled, parallel or plain.
        paths: the taps, see `Paths`.

    Raises:
        RegardError: the network has no taps.
        UnknownNameError: a path, module or pattern that fits no tap.

    Example:
        >>> list(find_taps(nn.ModuleDict({"a": Tap("gate"), "b": nn.ModuleDict({"c": Tap("gate")})}), "b"))
        ['b.c']
    """
    net = unwrap(net)
    found = {_unwrapped_path(path): tap for path, tap in taps(net).items()}
    if not found:
        raise RegardError(
            f"{type(net).__name__} has no taps, so there are no maps to observe or to replace: it was built without "
            "attention, or with another library's. Build it with an attention mechanism of regard (--attention NAME), "
            "call regard.attentions(net) to see what timm or torchvision built into it, or let your own module pass "
            "its map through a regard.core.Tap."
        )
    if paths is None:
        return found
    wanted = (paths,) if isinstance(paths, str) else tuple(paths)
    for pattern in wanted:
        if not any(_fits(path, pattern) for path in found):
            raise unknown_name("tap", pattern, found)
    return {path: tap for path, tap in found.items() if any(_fits(path, pattern) for pattern in wanted)}


def enclosing_modules(net: nn.Module, paths: Paths = None) -> dict[str, nn.Module]:
    """Returns the modules inside `net` that contain one of those taps, by path in the network without wrappers.

    >>> list(enclosing_modules(nn.ModuleDict({"a": nn.ModuleDict({"b": Tap("gate")}), "c": nn.ReLU()})))
    ['a']
    """
    chosen = find_taps(net, paths)
    modules = ((_unwrapped_path(path), module) for path, module in unwrap(net).named_modules())
    return {path: module for path, module in modules if path and any(tap.startswith(f"{path}.") for tap in chosen)}


def unwrap(net: nn.Module) -> nn.Module:
    """Returns the network inside the wrappers of `torch.compile` and data parallelism.

    >>> inner = nn.ReLU()
    >>> unwrap(DataParallel(inner)) is inner
    True
    """
    while True:
        if isinstance(net, DataParallel | DistributedDataParallel):
            net = net.module
        elif isinstance(inner := net._modules.get("_orig_mod"), nn.Module):
            net = inner
        else:
            return net


def _unwrapped_path(path: str) -> str:
    return ".".join(part for part in path.split(".") if part != "_orig_mod")


def _fits(path: str, pattern: str) -> bool:
    return fnmatchcase(path, pattern) or path.startswith(f"{pattern}.")


@contextmanager
def run_uncompiled() -> Iterator[None]:
    """Runs modules compiled by `torch.compile` uncompiled inside the block, and compiles nothing.

    A compiled network would call a sink too, but it recompiles for every new one, and after eight times it falls back
    to eager (with `fullgraph=True` it raises); with CUDA graphs the next pass would overwrite the observed map.
    """
    if "torch._dynamo" not in sys.modules:  # nothing was compiled so far, and importing it takes a second
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
