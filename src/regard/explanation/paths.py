"""Which taps of a network are meant, by name, and how a compiled network is made to heed them."""

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
"""Which taps: None for all, else paths, modules that contain them (`layer1`) or patterns (`layer1.*.gate`)."""


def tapped(net: nn.Module, paths: Paths = None) -> dict[str, Tap]:
    """The taps of `net` by their path in the network as it was built, whatever it was wrapped in since.

    Args:
        net: any network; compiled, parallel or plain.
        paths: which taps, see `Paths`.

    Raises:
        RegardError: the network has no taps.
        UnknownNameError: a path, module or pattern that fits no tap.

    Example:
        >>> list(tapped(nn.ModuleDict({"a": Tap("gate"), "b": nn.ModuleDict({"c": Tap("gate")})}), "b"))
        ['b.c']
    """
    net = as_built(net)
    found = {_path_as_built(path): tap for path, tap in taps(net).items()}
    if not found:
        raise RegardError(
            f"{type(net).__name__} has no taps, so there are no maps to see or to replace: it was built without "
            "attention. Build it with an attention mechanism of regard (--attention NAME), or let your own module pass "
            "its map through a regard.core.Tap."
        )
    if paths is None:
        return found
    wanted = (paths,) if isinstance(paths, str) else tuple(paths)
    for pattern in wanted:
        if not any(_fits(path, pattern) for path in found):
            raise unknown_name("tap", pattern, found)
    return {path: tap for path, tap in found.items() if any(_fits(path, pattern) for pattern in wanted)}


def around(net: nn.Module, paths: Paths = None) -> dict[str, nn.Module]:
    """The modules inside `net` that contain one of those taps, by their path in the network as it was built.

    >>> list(around(nn.ModuleDict({"a": nn.ModuleDict({"b": Tap("gate")}), "c": nn.ReLU()})))
    ['a']
    """
    chosen = tapped(net, paths)
    modules = ((_path_as_built(path), module) for path, module in as_built(net).named_modules())
    return {path: module for path, module in modules if path and any(tap.startswith(f"{path}.") for tap in chosen)}


def as_built(net: nn.Module) -> nn.Module:
    """The network inside what `torch.compile` or a parallel wrapper made of it.

    >>> inner = nn.ReLU()
    >>> as_built(DataParallel(inner)) is inner
    True
    """
    while True:
        if isinstance(net, DataParallel | DistributedDataParallel):
            net = net.module
        elif isinstance(inner := net._modules.get("_orig_mod"), nn.Module):
            net = inner
        else:
            return net


def _path_as_built(path: str) -> str:
    return ".".join(part for part in path.split(".") if part != "_orig_mod")


def _fits(path: str, pattern: str) -> bool:
    return fnmatchcase(path, pattern) or path.startswith(f"{pattern}.")


@contextmanager
def uncompiled() -> Iterator[None]:
    """Inside, what `torch.compile` compiled runs as it was written, and nothing is compiled anew.

    A compiled network would heed a sink too, but it compiles again for every new one, and after eight times it gives
    up (with `fullgraph=True` by an error); with CUDA graphs the next pass would overwrite the map that was seen.
    """
    if "torch._dynamo" not in sys.modules:  # nothing was compiled so far, and importing it takes a second
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
