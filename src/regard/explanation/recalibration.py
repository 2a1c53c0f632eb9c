"""Restoration of a network's state, and running statistics recomputed for its present inputs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from regard.core.batch import ImageBatch
from regard.core.devices import device_of
from regard.explanation.batches import ImageSet


def normalisations(net: nn.Module) -> list[_BatchNorm]:
    """The batch normalisations of `net` that keep running statistics."""
    return [m for m in net.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]


@contextmanager
def restore_state(net: nn.Module) -> Iterator[None]:
    """Restores every module's mode and running statistics afterwards, also after an exception, bit for bit.

    Example:
        >>> norm = nn.BatchNorm1d(1)
        >>> with restore_state(norm):
        ...     _ = norm.eval(), norm.running_mean.fill_(3.0)
        >>> norm.training, norm.running_mean.item()
        (True, 0.0)
    """
    modes = {module: module.training for module in net.modules()}
    norms = normalisations(net)
    momenta = [norm.momentum for norm in norms]
    own = [buffer.clone() for buffer in _buffers(norms)]
    try:
        yield
    finally:
        _copy(own, _buffers(norms))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def use_statistics(norms: Sequence[_BatchNorm], statistics: Sequence[Tensor]) -> Iterator[None]:
    """Gives the normalisations these running statistics inside the block (see `recalibrate`)."""
    own = [buffer.clone() for buffer in _buffers(norms)]
    try:
        _copy(statistics, _buffers(norms))
        yield
    finally:
        _copy(own, _buffers(norms))


@torch.no_grad()
def recalibrate(
    net: nn.Module, images: ImageSet, perturbed: Callable[[ImageBatch, range], AbstractContextManager[None]]
) -> list[Tensor]:
    """Computes the running statistics of the network under a perturbation, as their average over one pass.

    Each batch counts by its number of images. A batch of a single image after the first is left out: a loader's
    last batch may be one, and the variance of its pooled features is 0.

    Args:
        net: in evaluation mode; only its normalisations use batch statistics, and all are restored.
        images: the inputs of the network.
        perturbed: the context in which it runs a batch, a function of the batch and its images' indices.

    Returns:
        The values of all buffers of `normalisations(net)`, in order, for `use_statistics`.
    """
    norms, device, seen = normalisations(net), device_of(net), 0
    average = [buffer.clone() for buffer in _buffers(norms)]
    for indices, batch in images:
        if len(indices) == 1 and seen:
            continue
        seen += len(indices)
        with perturbed(batch, indices), _use_batch_statistics(norms):
            net(*batch.to(device).network_inputs())
            for mean, buffer in zip(average, _buffers(norms), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(buffer, len(indices) / seen)
    return average


@contextmanager
def _use_batch_statistics(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """Makes normalisations use their batch's statistics inside the block, and set their running statistics to those."""
    momenta = [norm.momentum for norm in norms]
    own = [buffer.clone() for buffer in _buffers(norms)]
    try:
        for norm in norms:
            norm.training, norm.momentum = True, 1.0
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.training, norm.momentum = False, momentum
        _copy(own, _buffers(norms))


def _buffers(norms: Sequence[_BatchNorm]) -> list[Tensor]:
    return [buffer for norm in norms for buffer in norm.buffers(recurse=False)]


@torch.no_grad()
def _copy(values: Sequence[Tensor], buffers: Sequence[Tensor]) -> None:
    for value, buffer in zip(values, buffers, strict=True):
        buffer.copy_(value)
