"""The position attention of DANet."""

import torch
from torch import Tensor, nn

from regard.attention.attending import attend
from regard.attention.heads import to_features, to_tokens
from regard.attention.layers import Linear, hidden_width
from regard.core import Facts, Features, Paper, Start, Tap


class DualPosition(Features):
    """Adds to every position a sum over all positions, each weighted by its similarity.

    y = x + gamma softmax(B C') D over positions, B, C and D each a linear layer of x at every position

    Fu, Liu, Tian, Li, Bao, Fang, Lu: Dual Attention Network for Scene Segmentation, CVPR 2019, section 3.2,
    equations 1 (softmax) and 2 (sum). gamma begins at 0, and the products are not scaled.

    Args:
        channels: c.
        reduction: B and C have max(1, c // reduction) channels.
        start: see `Features`; with `identity` gamma begins at 1.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> DualPosition(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in DualPosition(64).parameters())
        5201
    """

    facts = Facts(
        name="dual_position",
        family="spatial",
        act="aggregate",
        paper=Paper(
            title="Dual Attention Network for Scene Segmentation",
            authors="Jun Fu and Jing Liu and Haijie Tian and Yong Li and Yongjun Bao and Zhiwei Fang and Hanqing Lu",
            year=2019,
            venue="CVPR",
            identifier="arXiv:1809.02983",
        ),
        authors_code="https://github.com/junfu1115/DANet",
        departures=("The hidden width is never under 1, so that a narrow layer still sees its input.",),
        at="stage",
        parameters="2*(c*h + h) + c*c + c + 1 where h = max(1, c // reduction)",
    )

    def __init__(self, channels: int, *, reduction: int = 8, start: Start = "paper") -> None:
        super().__init__(channels, start=start)
        hidden = hidden_width("dual_position", channels, reduction)
        self.query = Linear(channels, hidden)
        self.key = Linear(channels, hidden)
        self.value = Linear(channels, channels)
        self.gamma = nn.Parameter(torch.zeros(1))
        self.map = Tap("query", shares="source")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """gamma is 0 as published, or 1 where a `strength` holds the sum back; the layers start as PyTorch's."""
        nn.init.constant_(self.gamma, 0.0 if self.strength is None else 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """x with the sum over all positions added to every position."""
        self.expect(x)
        return self.add(x, self.residual(x))

    def residual(self, x: Tensor) -> Tensor:
        """The sum that is added to x."""
        tokens = to_tokens(x).to(self.value.weight.dtype)
        query, key, value = (layer(tokens).unsqueeze(1) for layer in (self.query, self.key, self.value))
        shape = (*x.shape[2:], *x.shape[2:])
        gathered = attend(self.map, query, key, value, shape=shape, scale=1.0)
        return self.gamma * to_features(gathered.squeeze(1), x)
