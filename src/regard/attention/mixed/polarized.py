"""Polarized self-attention."""

from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn

from regard.attention.layers import Conv1d, Linear, Rescaling, hidden_width, sigmoid, softmax
from regard.core import Facts, Paper, Start, Tap, widen
from regard.core.products import wide_product
from regard.kernels import apply_gate

Arrangement = Literal["parallel", "sequential"]
Form = Literal["released", "paper"]


class Polarized(Rescaling):
    """Rescales channels by a softmax-weighted mean of positions, and positions by the likeness to the image's means.

    r = softmax over positions of q'x;  g = sigmoid(up(W x r)), a weight for each channel, W of c / 2 outputs
    m = the means of Q x;  s = sigmoid(softmax(m . V x)), a weight for each position, Q and V of c / 2 outputs,
    the product (.) over channels
    y = x g + x s (parallel), or the same one after the other, y = (x g) s(x g) (sequential)

    Of `up` and of the second softmax there are three forms. Released, parallel: up is one layer, the softmax goes over
    positions after the product. Released, sequential: up is a layer, LayerNorm, ReLU and a layer, with biases; the
    softmax goes over the positions of V x. Paper, both: up is a layer and LayerNorm; the softmax goes over the channels
    of m.

    Liu, Liu, Fan, Huang: Polarized Self-Attention: Towards High-quality Pixel-wise Regression, 2021, section 3.

    Args:
        channels: c.
        arrangement: `parallel` or `sequential`, the paper's layout.
        form: `released` (the authors' code) or `paper`.
        start: see `Features`; one `strength` tempers both maps.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same. The maps are (b, c, 1, ...), (b, 1, ...) and, for the
        softmax, (b, 1, ...).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> Polarized(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in Polarized(64).parameters())
        8256
    """

    facts = Facts(
        name="polarized",
        family="mixed",
        paper=Paper(
            title="Polarized Self-Attention: Towards High-quality Pixel-wise Regression",
            authors="Huajun Liu and Fuqiang Liu and Xinyi Fan and Dong Huang",
            year=2021,
            venue="arXiv",
            published="preprint",
            identifier="arXiv:2107.00782",
        ),
        authors_code="https://github.com/DeLightCMU/PSA",
        departures=(
            "The default is the authors' code: in the parallel arrangement it has no LayerNorm, in the sequential one "
            "a bottleneck with one; in both it takes the second softmax over positions, the paper over channels.",
            "The hidden widths are never under 1, and the one that LayerNorm sees is never under 2.",
        ),
        parameters=(
            "c + c*h + (c*h if form == 'released' and arrangement == 'parallel'"
            " else c*h + 2*c if form == 'paper' else h*n + n + 2*n + n*c + c)"
            " + 2*c*h where h = max(1, c // 2); n = max(2, h // 4)"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        arrangement: Arrangement = "parallel",
        form: Form = "released",
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        self.arrangement, self.form = arrangement, form
        hidden = hidden_width("polarized", channels, 2)
        neutral = 0.5 if arrangement == "parallel" else 1.0
        self.read = Conv1d(channels, 1, 1, bias=False)
        self.value = Conv1d(channels, hidden, 1, bias=False)
        self.up = _up(hidden, channels, arrangement, form)
        self.query = Conv1d(channels, hidden, 1, bias=False)
        self.key = Conv1d(channels, hidden, 1, bias=False)
        self.reading = Tap("spatial", shares="position")
        self.gate = Tap("gate", neutral=neutral)
        self.spatial = Tap("spatial", neutral=neutral)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: He's initialisation of the four projections, the rest as PyTorch does."""
        for layer in (self.read, self.value, self.query, self.key):
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
        for part in self.up:
            if isinstance(part, nn.Linear | nn.LayerNorm):
                part.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel and every position rescaled."""
        self.expect(x)
        if self.arrangement == "parallel":
            return apply_gate(x, self._channel_map(x)) + apply_gate(x, self._spatial_map(x))
        x = apply_gate(x, self._channel_map(x))
        return apply_gate(x, self._spatial_map(x))

    def _channel_map(self, x: Tensor) -> Tensor:
        flat = x.flatten(2).to(self.read.weight.dtype)
        shares = softmax(self.read(flat), 2)
        shares = self.reading(shares.reshape(-1, 1, *x.shape[2:])).flatten(2)
        seen = wide_product(self.value(flat), shares.transpose(1, 2)).squeeze(2)
        return self.show(x, self.gate, sigmoid(self.up(seen)))

    def _spatial_map(self, x: Tensor) -> Tensor:
        flat = x.flatten(2).to(self.query.weight.dtype)
        mean = widen(self.query(flat)).mean(2, keepdim=True)
        key = widen(self.key(flat))
        if self.form == "paper":
            logits = wide_product(softmax(mean, 1).transpose(1, 2), key)
        elif self.arrangement == "parallel":
            logits = softmax(wide_product(mean.transpose(1, 2), key), 2)
        else:
            logits = wide_product(mean.transpose(1, 2), softmax(key, 2))
        return self.show(x, self.spatial, sigmoid(logits).reshape(-1, 1, *x.shape[2:]))


def _up(hidden: int, channels: int, arrangement: Arrangement, form: Form) -> nn.Sequential:
    """The layer from the softmax-weighted mean to a logit for each channel."""
    if form == "paper":
        expand, norm = Linear(hidden, channels, bias=False), nn.LayerNorm(channels)
        return nn.Sequential(OrderedDict(expand=expand, norm=norm))
    if arrangement == "parallel":
        return nn.Sequential(OrderedDict(expand=Linear(hidden, channels, bias=False)))
    narrow = max(2, hidden // 4)
    enter, leave = Linear(hidden, narrow), Linear(narrow, channels)
    return nn.Sequential(OrderedDict(enter=enter, norm=nn.LayerNorm(narrow), relu=nn.ReLU(), leave=leave))
