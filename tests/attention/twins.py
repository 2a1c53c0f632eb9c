"""A mechanism against the same one in another library: weights there and back, equal outputs and gradients."""

import torch

from regard.attention.exchange import export_weights, import_weights
from tests.attention.drawn import drawn


def assert_twins(module, theirs, library, x, *, rtol=1e-11, atol=1e-12):
    """With one set of drawn weights, in evaluation, both give the same y and gradient of x.

    Our weights go into their module, and their state dict back into ours.
    """
    module, theirs = drawn(module), theirs.double().eval()
    theirs.load_state_dict(export_weights(module, library))
    for ours, other in zip(_pass(module, x), _pass(theirs, x), strict=True):
        torch.testing.assert_close(ours, other, rtol=rtol, atol=atol)
    before = {name: values.clone() for name, values in module.state_dict().items()}
    import_weights(drawn(module, seed=7), theirs.state_dict(), library)
    for name, values in module.state_dict().items():
        assert torch.equal(values, before[name]), name


def _pass(module, x):
    """y, and the gradient of a projection of it for x."""
    x = x.clone().requires_grad_()
    y = module(x)
    (y * torch.randn(y.shape, generator=torch.Generator().manual_seed(3), dtype=y.dtype)).sum().backward()
    return y.detach(), x.grad
