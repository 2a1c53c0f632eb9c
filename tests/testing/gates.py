"""A right attention module to make wrong ones from, and what the suite says of a module."""

import torch
from torch import Tensor, nn

from regard.testing import CHECKS, check_attention

GRAPHS = ("compile", "compile_inductor", "export", "onnx", "taps_compiled")
"""Checks that take seconds."""

QUICK = tuple(name for name in CHECKS if name not in GRAPHS)


class Gate(nn.Module):
    """Rescales each channel by a linear layer of all channels' means; wrong gates change `forward` or add to it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Linear(channels, channels)

    def gate(self, x: Tensor) -> Tensor:
        """(b, c, 1, 1) weights."""
        return torch.sigmoid(self.score(x.mean((2, 3))))[:, :, None, None]

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel rescaled."""
        return x * self.gate(x)


def failures(attention, checks=QUICK, **options):
    """The sentences of the checks that fail, by name."""
    report = check_attention(attention, checks=checks, raise_on_failure=False, **options)
    return {outcome.name: outcome.sentence for outcome in report.failures}
