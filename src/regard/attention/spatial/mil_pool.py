"""Attention pooling over a bag of instances."""

import torch
from torch import Tensor, sigmoid, tanh

from regard.attention.layers import Linear, masked_softmax
from regard.core import Facts, Features, Input, Paper, ShapeError, Tap
from regard.core.options import at_least


class MILPool(Features):
    """Pools a bag of instances into one vector, each weighted by its own score.

    y = sum over instances of a_i x_i, a = softmax over instances of w (tanh(V x_i + v) * sigmoid(U x_i + u)) + d;
    with `gated=False` without the sigmoid

    Ilse, Tomczak, Welling: Attention-based Deep Multiple Instance Learning, ICML 2018, equations 7 to 9. The positions
    of x are the instances: patches of an image, or any bag (b, c, n). It replaces the pooling before a
    classifier. Bags of different sizes are padded and marked by `mask`: padding has the weight 0, whatever
    its values, and a bag without any instance gives zeros.

    Args:
        channels: c, of an instance.
        hidden: outputs of V and U.
        gated: whether there is U.

    Shape:
        x (b, c, ...) with 1 to 3 position axes, mask (b, ...) of bool, True where there is an instance; y (b, c). The
        map is (b, 1, ...).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes, or a mask that does not fit it.

    Example:
        >>> MILPool(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64])
        >>> bag, there = torch.tensor([[[3.0, torch.nan]]]), torch.tensor([[True, False]])
        >>> MILPool(1)(bag, there).item()
        3.0
    """

    facts = Facts(
        name="mil_pool",
        family="spatial",
        act="aggregate",
        paper=Paper(
            title="Attention-based Deep Multiple Instance Learning",
            authors="Maximilian Ilse and Jakub M. Tomczak and Max Welling",
            year=2018,
            venue="ICML",
            identifier="arXiv:1802.04712",
        ),
        authors_code="https://github.com/AMLab-Amsterdam/AttentionDeepMIL",
        departures=(
            "The default is the gated form, equation 9.",
            "All layers have biases, as in the authors' code; the paper's equations leave them out.",
        ),
        at="head",
        returns="vector",
        inputs=(Input(name="mask", shape="(b, ...) of bool", optional=True),),
        parameters="(1 + gated)*hidden*(c + 1) + hidden + 1",
    )

    def __init__(self, channels: int, *, hidden: int = 128, gated: bool = True) -> None:
        super().__init__(channels)
        at_least("mil_pool", "hidden", hidden, 1)
        self.value = Linear(channels, hidden)
        self.gate = Linear(channels, hidden) if gated else None
        self.score = Linear(hidden, 1)
        self.spatial = Tap("spatial", shares="position")

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The weighted sum of the instances."""
        self.expect(x)
        there = None if mask is None else self._expect_mask(x, mask).flatten(1)
        instances = x.flatten(2).transpose(1, 2)
        if there is not None:
            instances = torch.where(there[..., None], instances, 0)
        seen = instances.to(self.value.weight.dtype)
        hidden = tanh(self.value(seen)) if self.gate is None else tanh(self.value(seen)) * sigmoid(self.gate(seen))
        shares = masked_softmax(self.score.logits(hidden).squeeze(2), there, 1)
        attn = self.spatial(shares.reshape(x.shape[0], 1, *x.shape[2:])).flatten(2)
        return (attn.to(x.dtype) @ instances).squeeze(1)

    def _expect_mask(self, x: Tensor, mask: Tensor) -> Tensor:
        if mask.dtype != torch.bool or mask.ndim != x.ndim - 1 or mask.shape != (x.shape[0], *x.shape[2:]):
            raise ShapeError(
                f"mil_pool: mask has shape {tuple(mask.shape)} and dtype {mask.dtype}; for x {tuple(x.shape)} it must "
                "be bool and have x's shape without the channels, True where there is an instance."
            )
        return mask
