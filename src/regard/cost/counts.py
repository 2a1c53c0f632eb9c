"""Numbers of parameters and multiply-adds of a network."""

import copy

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from regard.cost.step import expect_example


def parameters(net: nn.Module, *, trainable_only: bool = False) -> int:
    """The number of parameters, shared ones counted once.

    >>> parameters(nn.Linear(3, 2))
    8
    """
    return sum(p.numel() for p in net.parameters() if p.requires_grad or not trainable_only)


def macs(net: nn.Module, example: Tensor) -> int:
    """The multiply-adds of one forward pass over `example`, as an inference does it.

    Convolutions and matrix products count (so fully connected layers and dot-product attention do); normalisations,
    activations, poolings, biases and the application of maps don't, as in the published tables.

    Args:
        net: any network; it is copied, never changed. The copy's tensors have shapes and no values, so nothing is
            really computed, unless an operation needs the values.
        example: images (b, c, h, w) on the network's device. The result is for all b; give one for the usual figure.

    Returns:
        Multiply-adds, half of the floating-point operations.

    Raises:
        ShapeError: an empty example, or one on another device.

    Example:
        >>> macs(nn.Conv2d(3, 8, 3, padding=1), torch.zeros(1, 3, 10, 10)) == 3 * 8 * 9 * 100
        True
    """
    expect_example(net, example)
    try:
        return _count(net, example, torch.device("meta"))
    except (NotImplementedError, RuntimeError):
        return _count(net, example, example.device)


def _count(net: nn.Module, example: Tensor, device: torch.device) -> int:
    copied = copy.deepcopy(net).to(device).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        copied(example.to(device))
    return counter.get_total_flops() // 2
