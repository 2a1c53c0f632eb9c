"""The peak memory of a training step."""

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from regard.cost.step import TrainingStep, expect_example


class LiveTensors(TorchDispatchMode):
    """Counts the bytes of the tensors that live inside it: each storage once, from the operation that makes it until
    nobody holds it any more, neither Python nor the graph of a backward pass.

    What an operation allocates and frees by itself is not seen.

    Example:
        >>> with LiveTensors() as tensors:
        ...     x = torch.zeros(100)
        ...     x = x + 1
        >>> tensors.live, tensors.peak
        (400, 800)
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = 0
        self.peak = 0
        self._known: set[int] = set()

    def watch(self, tensors: Iterable[object]) -> None:
        """Counts these tensors too, though they were made before."""
        for tensor in tensors:
            if isinstance(tensor, Tensor):
                self._add(tensor.untyped_storage())

    def _add(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata in self._known:
            return
        self._known.add(storage._cdata)
        self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._remove, storage._cdata, storage.nbytes()).atexit = False

    def _remove(self, identity: int, size: int) -> None:
        self._known.discard(identity)
        self.live -= size

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: tuple[type, ...],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        """Runs the operation and counts what it returned."""
        result = func(*args, **(kwargs or {}))
        self.watch(tree_leaves(result))
        return result


def peak_memory(net: nn.Module, example: Tensor) -> int:
    """The bytes of all tensors that live at the peak of a training step.

    The step is forward, cross-entropy, backward and SGD with momentum, the second one, so that the momentum exists.
    Counted are parameters, running statistics, momentum, images, gradients, and the tensors that the forward pass keeps
    for the backward pass. On CUDA it is the peak of PyTorch's allocator, with rounding and workspaces, less the memory
    allocated before; elsewhere the tensors are counted, which gives the same number in every run.

    Args:
        net: any network that gives logits (b, k); it is copied, never changed.
        example: the images of a batch (b, c, h, w) on the network's device.

    Returns:
        Bytes.

    Raises:
        ShapeError: an empty example, one on another device, or outputs that are no logits.

    Example:
        >>> from torch import nn
        >>> small, large = torch.zeros(8, 16), torch.zeros(64, 16)
        >>> peak_memory(nn.Linear(16, 4), small) < peak_memory(nn.Linear(16, 4), large)
        True
    """
    expect_example(net, example)
    return _measure_cuda(net, example) if example.device.type == "cuda" else _measure_cpu(net, example)


def _measure_cpu(net: nn.Module, example: Tensor) -> int:
    step = TrainingStep(net, example)
    step()
    step.optimizer.zero_grad()
    with LiveTensors() as tensors:
        state = tree_leaves([dict(entry) for entry in step.optimizer.state.values()])
        tensors.watch([*step.net.parameters(), *step.net.buffers(), *state, step.example, step.labels])
        step()
    return tensors.peak


def _measure_cuda(net: nn.Module, example: Tensor) -> int:
    before = torch.cuda.memory_allocated(example.device)
    step = TrainingStep(net, example)
    step()
    step.optimizer.zero_grad()
    torch.cuda.reset_peak_memory_stats(example.device)
    step()
    torch.cuda.synchronize(example.device)
    return torch.cuda.max_memory_allocated(example.device) - before + example.untyped_storage().nbytes()
