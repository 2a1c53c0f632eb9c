"""Criss-cross attention, repeated."""

import math

import torch
from torch import Tensor, nn

from regard.attention.heads import to_tokens
from regard.attention.layers import Linear, hidden_width, softmax
from regard.core import Facts, Features, Paper, Start, Tap
from regard.core.options import at_least
from regard.core.products import wide_product


class CrissCross(Features):
    """Adds to every position a weighted sum of its column and its row; a second pass reaches all positions.

    y = x + gamma sum of A_ij V_j over j in the column and the row of i, A_i = softmax of Q_i K_j over those j
    Q, K and V are linear layers of x at every position; the same layers make each pass from the result of the last

    Huang, Wang, Huang, Huang, Wei, Liu: CCNet: Criss-Cross Attention for Semantic Segmentation, ICCV 2019,
    section 3.2, equations 1 (product) and 2 (sum), and section 3.3 (recurrence 2, shared layers). A position counts
    itself once, in its row: in its column it has no share. gamma begins at 0, and the products are not scaled.

    Args:
        channels: c.
        reduction: Q and K have max(1, c // reduction) channels.
        recurrence: the number of passes.
        start: see `Features`; with `identity` gamma begins at 1.

    Shape:
        x (b, c, h, w); y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> CrissCross(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in CrissCross(64).parameters())
        5201
    """

    facts = Facts(
        name="criss_cross",
        family="spatial",
        act="aggregate",
        paper=Paper(
            title="CCNet: Criss-Cross Attention for Semantic Segmentation",
            authors=("Zilong Huang and Xinggang Wang and Lichao Huang and Chang Huang and Yunchao Wei and Wenyu Liu"),
            year=2019,
            venue="ICCV",
            identifier="arXiv:1811.11721",
        ),
        authors_code="https://github.com/speedinghzl/CCNet",
        departures=(
            "The map has h + w entries with a zero at a position's own index in its column; the paper's has h + w - 1.",
            "The hidden width is never under 1, so that a narrow layer still sees its input.",
        ),
        dims=(2,),
        at="stage",
        parameters="2*(c*h + h) + c*c + c + 1 where h = max(1, c // reduction)",
    )

    def __init__(self, channels: int, *, reduction: int = 8, recurrence: int = 2, start: Start = "paper") -> None:
        super().__init__(channels, start=start)
        hidden = hidden_width("criss_cross", channels, reduction)
        at_least("criss_cross", "recurrence", recurrence, 1)
        self.query = Linear(channels, hidden)
        self.key = Linear(channels, hidden)
        self.value = Linear(channels, channels)
        self.gamma = nn.Parameter(torch.zeros(1))
        self.maps = nn.ModuleList(Tap("cross", shares="cross") for _ in range(recurrence))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """gamma is 0 as published, or 1 where a `strength` holds the sum back; the layers start as PyTorch's."""
        nn.init.constant_(self.gamma, 0.0 if self.strength is None else 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """x with the sums of its rows and columns added."""
        self.expect(x)
        for tap in self.maps:
            tokens = to_tokens(x).to(self.value.weight.dtype)
            query, key, value = (
                layer(tokens).unflatten(1, x.shape[2:]) for layer in (self.query, self.key, self.value)
            )
            attn = tap(_shares(query, key).unsqueeze(1)).squeeze(1)
            x = self.add(x, self.gamma * _gather(attn, value).movedim(-1, 1))
        return x


def _shares(query: Tensor, key: Tensor) -> Tensor:
    """(b, h, w, h + w): for each position the shares of its column and of its row."""
    column = wide_product(query.transpose(1, 2), key.permute(0, 2, 3, 1))
    row = wide_product(query, key.transpose(2, 3))
    rows = torch.arange(query.shape[1], device=query.device)
    column = column.masked_fill(rows == rows[:, None], -math.inf)
    return softmax(torch.cat([column.transpose(1, 2), row], -1), -1)


def _gather(attn: Tensor, value: Tensor) -> Tensor:
    """(b, h, w, c): the weighted sum over each position's column and row."""
    height = value.shape[1]
    column, row = attn[..., :height].to(value.dtype), attn[..., height:].to(value.dtype)
    return (column.transpose(1, 2) @ value.transpose(1, 2)).transpose(1, 2) + row @ value
