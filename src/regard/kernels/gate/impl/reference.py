"""The oracle in plain PyTorch."""

import torch
from torch import Tensor


def apply_gate(x: Tensor, gate: Tensor) -> Tensor:
    """See `regard.kernels.gate.api.apply_gate`."""
    return x * gate.to(x.dtype)


def apply_both(x: Tensor, channel: Tensor, position: Tensor, combine: str) -> Tensor:
    """See `regard.kernels.gate.api.apply_both`."""
    combined = channel * position if combine == "sigmoid of product" else channel + position
    return apply_gate(x, combined if combine == "sum" else 1 + torch.sigmoid(combined))
