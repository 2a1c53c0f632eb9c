"""Modules and features with drawn values: an initial value such as 0 or 1 would hide a mistake."""

import numpy as np
import torch


def drawn(module, seed=0):
    """The module in float64, with every parameter and running statistic drawn, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    module.double().eval()
    with torch.no_grad():
        for values in module.parameters():
            values.copy_(torch.randn(values.shape, generator=generator, dtype=torch.float64))
        for name, values in module.named_buffers():
            if name.endswith("running_mean"):
                values.copy_(torch.randn(values.shape, generator=generator, dtype=torch.float64))
            if name.endswith("running_var"):
                values.copy_(0.5 + torch.rand(values.shape, generator=generator, dtype=torch.float64))
    return module


def features(*shape, seed=1):
    """Float64 features of that shape."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def arrays(module):
    """Every parameter and running statistic by its name, as NumPy arrays."""
    return {name: values.detach().numpy() for name, values in module.state_dict().items()}


def assert_equal(tensor, array, *, rtol=1e-11, atol=1e-12):
    """The tensor is the array, up to the rounding of a few float64 sums."""
    assert tuple(tensor.shape) == array.shape
    np.testing.assert_allclose(tensor.detach().numpy(), array, rtol=rtol, atol=atol)


def count(module):
    """The number of its parameters."""
    return sum(p.numel() for p in module.parameters())


def names(module):
    """The names of its parameters in order."""
    return [name for name, _ in module.named_parameters()]


PLAIN_RESNET = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032, 101: 44_549_160}
"""Parameters of the networks without attention, 1000 classes."""

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def block_outputs(depth):
    """The number of channels at the end of each stage's blocks, and how many blocks it has."""
    expansion = 1 if depth < 50 else 4
    return [(width * expansion, n) for width, n in zip((64, 128, 256, 512), BLOCKS[depth], strict=True)]
