"""Multi-head self-attention over positions."""

from typing import Literal

import torch
from torch import Tensor, nn

from regard.attention.attending import aligned_width, attend, fill
from regard.attention.heads import head_count, merge_heads, split_heads, to_features, to_tokens
from regard.attention.layers import Linear
from regard.core import Facts, Features, Paper, Start, Tap
from regard.core.options import at_least

Position = Literal["none", "relative"]


class MultiHead(Features):
    """Adds to every position, for each of n heads, a weighted mean over all positions.

    y = x + O [head_1 ... head_n], head = softmax((Q K' + R) / sqrt(d)) V over positions, d = c / n
    R_ij = sum over position axes of Q_i . r[j - i], with position="relative"
    Q, K, V and O are linear layers at every position

    Vaswani et al.: Attention Is All You Need, NeurIPS 2017, equation 1 and section 3.2.2. For images, with one
    table r of offsets for each axis that all heads share: Bello, Zoph, Vaswani, Le, Shlens: Attention Augmented
    Convolutional Networks, ICCV 2019, equations 3 and 4. While its tap is unused, a fused kernel makes no map of all
    pairs: R is a product too, of Q_i . r for every row and column with a one at the row and the column of j.

    Args:
        channels: c.
        heads: n; None means the largest number that divides 8 and c.
        position: `none`, or `relative`.
        window: offsets from -(window - 1) to window - 1 have vectors r of their own, those beyond the outermost ones.
        bias: whether Q, K and V have biases; O has one.
        norm: whether layer normalisation over channels comes first, as in transformers.
        residual: whether x is added; without, y is the output of the heads.
        dims: position axes of x.
        start: see `Features`.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> MultiHead(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in MultiHead(64).parameters())
        16640
    """

    facts = Facts(
        name="multihead",
        family="spatial",
        act="aggregate",
        paper=Paper(
            title="Attention Is All You Need",
            authors=(
                "Ashish Vaswani and Noam Shazeer and Niki Parmar and Jakob Uszkoreit and Llion Jones and Aidan N. Gomez"
                " and Lukasz Kaiser and Illia Polosukhin"
            ),
            year=2017,
            venue="NeurIPS",
            identifier="arXiv:1706.03762",
        ),
        authors_code="https://github.com/tensorflow/tensor2tensor",
        departures=(
            "Positions of an image are the tokens, and none is encoded by default.",
            "All linear layers have biases, as in most code; the paper's equations have none.",
            "Offsets beyond the window share the outermost vector, so that any size works; attention augmented "
            "convolution fixes the size.",
        ),
        at="stage",
        parameters=(
            "norm*2*c + 3*c*c + 3*c*bias + (position == 'relative')*dims*(2*window - 1)*(c // n) + c*c + c"
            " where n = gcd(8, c) if heads is None else heads"
        ),
    )
    offsets: nn.Parameter | None

    def __init__(
        self,
        channels: int,
        *,
        heads: int | None = None,
        position: Position = "none",
        window: int = 32,
        bias: bool = True,
        norm: bool = False,
        residual: bool = True,
        dims: int = 2,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        self.heads = head_count("multihead", heads, 8, channels)
        at_least("multihead", "window", window, 1)
        self.window, self.residual, self.dims = window, residual, dims
        self.norm = nn.LayerNorm(channels) if norm else None
        self.qkv = Linear(channels, 3 * channels, bias=bias)
        offsets = torch.empty(dims, 2 * window - 1, channels // self.heads)
        self.register_parameter("offsets", nn.Parameter(offsets) if position == "relative" else None)
        self.project = Linear(channels, channels)
        self.map = Tap("query", shares="source")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Vectors of offsets of length 1 on average, as in attention augmented convolution; layers as PyTorch does."""
        if self.offsets is not None:
            nn.init.normal_(self.offsets, std=self.offsets.shape[-1] ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        """x with the weighted means of all heads added."""
        self.expect(x, (self.dims,))
        tokens = to_tokens(x).to(self.qkv.weight.dtype)
        if self.norm is not None:
            tokens = self.norm(tokens)
        query, key, value = (split_heads(part, self.heads) for part in self.qkv(tokens).chunk(3, 2))
        scale = query.shape[-1] ** -0.5
        if self.offsets is not None:
            query, key = _append_offsets(query, key, self.offsets.to(query.dtype), x.shape[2:])
        shape = (*x.shape[2:], *x.shape[2:])
        gathered = merge_heads(attend(self.map, query, key, value, shape=shape, scale=scale))
        h = to_features(self.project(gathered), x)
        return self.add(x, h) if self.residual else self.blend(x, h)


def _append_offsets(query: Tensor, key: Tensor, offsets: Tensor, size: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Queries and keys whose products are Q K' + R.

    For each axis a query gets Q_i . r[j - i] for every index j of that axis, and a key a one at its own index there.
    There are a few more indices than positions, so that every part has an aligned width.
    """
    window, width = (offsets.shape[1] + 1) // 2, aligned_width(query.shape[-1])
    grid = query.unflatten(2, size)
    queries, keys = [fill(query, width)], [fill(key, width)]
    for axis, table in enumerate(offsets, start=2):
        here = torch.arange(grid.shape[axis], device=query.device)[:, None]
        indices = torch.arange(aligned_width(grid.shape[axis]), device=query.device)
        reach = (indices - here).clamp(1 - window, window - 1) + window - 1
        rows = grid.movedim(axis, 0)
        near = rows.flatten(1, -2) @ table[reach].transpose(1, 2)
        queries.append(near.reshape(*rows.shape[:-1], -1).movedim(0, axis).flatten(2, -2))
        own = (here == indices).to(query.dtype).reshape(-1, *(1,) * (len(size) + 1 - axis), indices.shape[0])
        keys.append(own.expand(*size, -1).flatten(0, -2).expand(*key.shape[:3], -1))
    return torch.cat(queries, -1), torch.cat(keys, -1)
