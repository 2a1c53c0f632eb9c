"""Batch normalisation that also trains where it would see a single value per channel."""

import warnings

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from regard.core.errors import ShapeError


def saturated(x: Tensor) -> Tensor:
    """x; in float16 with its largest number where it overflowed, because the mean of infinities is no number.

    >>> saturated(torch.tensor([torch.inf, 1.0]).half()).tolist()
    [65504.0, 1.0]
    """
    return x.clamp(-65504, 65504) if x.dtype == torch.float16 else x


class GateNorm(_BatchNorm):
    """Batch normalisation of (b, c) or (b, c, ...) with any number of position axes.

    In training a batch of one picture whose map has one position gives one value per channel: its variance is 0 and
    PyTorch refuses it. Here the running statistics are used instead, with one warning; `strict=True` raises.
    In float16 what overflowed before it counts as the largest number, so that no infinity becomes NaN.

    Args:
        features: number of channels.
        momentum: the weight of the newest statistics in the running ones (PyTorch's sense).
        strict: raise a `ShapeError` instead of using the running statistics.
    """

    def __init__(self, features: int, *, momentum: float = 0.1, strict: bool = False) -> None:
        super().__init__(features, eps=1e-5, momentum=momentum)
        self.strict = strict
        self._warned = False

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ShapeError(f"GateNorm: input has shape {tuple(input.shape)}; it must be (b, c) or (b, c, ...).")

    def forward(self, input: Tensor) -> Tensor:
        """The normalised features, same shape."""
        self._check_input_dim(input)
        input = saturated(input)
        if self.training and input.numel() == input.shape[1]:
            self._report_single_value(input)
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        if input.shape[0] == 1 and input.ndim > 3 and not torch.compiler.is_compiling():
            # For a batch of one PyTorch's backward pass on the CPU takes features that lie as tokens, with an arbitrary
            # stride of the batch, for another layout, and gives wrong gradients in silence; with one axis it does not.
            return super().forward(input.flatten(2)).reshape(input.shape)
        return super().forward(input)

    def _report_single_value(self, input: Tensor) -> None:
        rule = (
            f"Batch normalisation over {input.shape[1]} channels saw one value per channel (a batch of one picture), "
            "whose variance is 0"
        )
        if self.strict:
            raise ShapeError(f"{rule}: train with batches of two or more, or build the module with strict=False.")
        if not self._warned and not torch.compiler.is_compiling():
            self._warned = True
            warnings.warn(f"{rule}; it used its running statistics instead.", stacklevel=2)
