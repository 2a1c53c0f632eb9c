"""A forward pass that leaves no trace: in evaluation mode, with buffers, flags and random numbers put back."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from regard.core.errors import SurgeryError

T = TypeVar("T")

SIZES = {1: ((256,), (1024,)), 2: ((224, 224), (256, 256), (32, 32), (512, 512)), 3: ((8, 112, 112), (16, 224, 224))}
"""Sizes of inputs that are tried, by the number of position axes."""


@contextmanager
def undisturbed(net: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients inside the block; afterwards all is as it was, also after an exception."""
    training = [(module, module.training) for module in net.modules()]
    buffers = [(buffer, buffer.detach().clone()) for buffer in net.buffers()]
    devices = sorted({t.device.index for t in (*net.parameters(), *net.buffers()) if t.device.type == "cuda"})
    chance = random.getstate(), np.random.get_state()
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        for module, _ in training:
            module.training = False
        # The fused encoder layer calls none of its modules.
        torch.backends.mha.set_fastpath_enabled(False)
        with torch.no_grad(), torch.random.fork_rng(devices):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for module, flag in training:
            module.training = flag
        with torch.no_grad():
            for buffer, before in buffers:
                if buffer.device.type != "meta" and not torch.equal(buffer, before):
                    buffer.copy_(before)
        random.setstate(chance[0])
        np.random.set_state(chance[1])


def run(net: nn.Module, example: Any) -> Any:
    """The network's result on an example: a tuple is its arguments, a dict its keyword arguments."""
    if isinstance(example, tuple):
        return net(*example)
    return net(**example) if isinstance(example, dict) else net(example)


def first_that_runs(net: nn.Module, example: Any, trial: Callable[[Any], T]) -> tuple[Any, T]:
    """The given example, or the first of some usual inputs that the network takes, with the trial's result on it.

    Raises:
        SurgeryError: the network takes none of them, or not the given one.
    """
    tried = []
    for candidate in _candidates(net) if example is None else (example,):
        try:
            with undisturbed(net):
                return candidate, trial(candidate)
        except Exception as error:
            first = str(error).strip().split("\n")[0]
            tried.append(f"{_shape_of(candidate)}: {type(error).__name__}: {first}")
    what = "the example" if example is not None else "any input that was tried"
    remedy = "Give an input that it takes: example=, a tensor or a tuple of arguments."
    raise SurgeryError(f"{type(net).__name__} does not run on {what} ({'; '.join(tried[:3]) or 'none'}). {remedy}")


def _candidates(net: nn.Module) -> Iterator[Any]:
    """Usual inputs by the first convolution, or the first linear layer."""
    like = next((p for p in net.parameters() if p.is_floating_point()), torch.zeros(()))
    for module in net.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            channels, dims = module.in_channels, len(module.kernel_size)
            named = _named_size(net) if dims == 2 else None
            for size in (*((named,) if named else ()), *SIZES[dims]):
                yield like.new_zeros(1, channels, *size)
            return
        if isinstance(module, nn.Linear):
            yield like.new_zeros(1, module.in_features)
            return


def _named_size(net: nn.Module) -> tuple[int, ...] | None:
    """The size that networks of timm say of themselves."""
    named = getattr(net, "default_cfg", None) or getattr(net, "pretrained_cfg", None)
    size = named.get("input_size") if isinstance(named, dict) else None
    return tuple(size[1:]) if isinstance(size, tuple | list) and len(size) == 3 else None


def _shape_of(example: Any) -> str:
    if isinstance(example, Tensor):
        return "x".join(map(str, example.shape))
    return type(example).__name__
