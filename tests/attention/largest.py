"""The largest tensor of a computation, which shows whether it made a map of all pairs of positions."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Largest(TorchDispatchMode):
    """Inside, `numel` is the number of elements of the largest result of any operator."""

    def __init__(self):
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        result = operator(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.numel = max(self.numel, tensor.numel())
        return result


def largest_of_a_step(module, x):
    """The number of elements of the largest tensor in a forward and a backward pass."""
    with Largest() as largest:
        module(x.requires_grad_()).sum().backward()
    return largest.numel
