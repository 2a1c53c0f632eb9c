"""The device and the threads that a network runs on."""

from typing import Literal

import torch
from torch import nn

from regard.core.errors import OptionError
from regard.core.options import at_least

DeviceName = Literal["auto", "cpu", "cuda", "mps"]


def device_of(net: nn.Module) -> torch.device:
    """The device of the network's parameters; the CPU if it has none."""
    for tensor in (*net.parameters(), *net.buffers()):
        return tensor.device
    return torch.device("cpu")


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """The device that `auto`, `cpu`, `cuda`, `cuda:1` or `mps` means on this machine.

    Args:
        device: `auto` is CUDA where there is a CUDA device, else Apple's MPS, else the CPU.

    Raises:
        OptionError: a name that is no device, or a device that this machine or this PyTorch lacks.

    Example:
        >>> resolve_device("cpu")
        device(type='cpu')
    """
    name = str(device)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if _has_mps() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and not number.isdigit()):
        raise OptionError(f"device={name!r} is not allowed; choose auto, cpu, cuda, cuda:NUMBER or mps.")
    if kind == "cuda" and not torch.cuda.is_available():
        build, remedy = "sees no CUDA device", "NVIDIA's driver"
        if torch.version.cuda is None:
            build, remedy = "is built without CUDA", "a CUDA build of PyTorch"
        raise OptionError(
            f"device={name!r} was asked for, but PyTorch {torch.__version__} {build}: use --device auto or "
            f"--device cpu, or install {remedy}."
        )
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        raise OptionError(
            f"device={name!r} was asked for, but there are {torch.cuda.device_count()} CUDA devices, "
            f"numbered from 0 to {torch.cuda.device_count() - 1}."
        )
    if kind == "mps" and not _has_mps():
        raise OptionError(
            "device='mps' was asked for, but PyTorch sees no Apple GPU: use --device auto or --device cpu."
        )
    return torch.device(name)


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def set_threads(threads: int | None) -> int:
    """Lets PyTorch compute with so many CPU threads; None leaves PyTorch's own choice. Returns the number in force.

    Raises:
        OptionError: fewer than one.
    """
    if threads is not None:
        torch.set_num_threads(at_least("threads", "threads", threads, 1))
    return torch.get_num_threads()
