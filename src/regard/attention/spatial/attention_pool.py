"""Attention pooling instead of the mean before the classifier."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from regard.attention.heads import head_count, split_heads, to_tokens
from regard.attention.layers import Linear, softmax
from regard.attention.resampling import interpolate
from regard.core import Facts, Features, OptionError, Paper, Tap, widen
from regard.core.options import at_least
from regard.core.products import wide_product
from regard.kernels import squeeze_positions

Form = Literal["mean", "query"]


class AttentionPool(Features):
    """Pools positions by weights that come from one query.

    y = O [head_1 ... head_n], head = softmax(q K' / sqrt(d)) V over the tokens t, d = c / n
    mean: t are the mean of x and x at every position, each plus its row of `position`; q is of the mean token
    query: t are x at every position plus `position`; q is of a learned token
    q, K, V and O are linear layers

    Radford et al.: Learning Transferable Visual Models From Natural Language Supervision, ICML 2021, section 2.4
    (`mean`, the head of its residual networks). Zhai, Kolesnikov, Houlsby, Beyer: Scaling Vision Transformers, CVPR
    2022 (`query`, there with a perceptron behind it).

    The map holds the shares of the positions. In the form `mean` the mean token has the rest up to 1, also of a map
    that is used instead, so that a uniform map gives the mean of V over positions.

    Args:
        channels: c.
        form: `mean` or `query`.
        heads: n; None means the largest number that divides 8 and c.
        out_channels: of y; None means c.
        size: of the learned position embedding, as (7, 7), resampled linearly for other sizes; None means none.

    Shape:
        x (b, c, ...) with 1 to 3 position axes, as many as `size` has; y (b, out_channels).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> AttentionPool(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64])
        >>> sum(p.numel() for p in AttentionPool(2048, heads=32, size=(7, 7)).parameters())
        16887808
    """

    facts = Facts(
        name="attention_pool",
        family="spatial",
        act="aggregate",
        paper=Paper(
            title="Learning Transferable Visual Models From Natural Language Supervision",
            authors=(
                "Alec Radford and Jong Wook Kim and Chris Hallacy and Aditya Ramesh and Gabriel Goh"
                " and Sandhini Agarwal and Girish Sastry and Amanda Askell and Pamela Mishkin and Jack Clark"
                " and Gretchen Krueger and Ilya Sutskever"
            ),
            year=2021,
            venue="ICML",
            identifier="arXiv:2103.00020",
        ),
        authors_code="https://github.com/openai/CLIP",
        departures=(
            "The position embedding is left out by default and resampled for other sizes; the authors' fixes the size.",
            "The form with a learned query ends after its last linear layer; in vision transformers a perceptron "
            "follows.",
        ),
        at="head",
        returns="vector",
        parameters=(
            "(form == 'query')*c + (0 if size is None else prod(size) + (form == 'mean'))*c + 3*(c*c + c) + (c + 1)*w"
            " where w = out_channels or c"
        ),
    )
    token: nn.Parameter | None
    position: nn.Parameter | None

    def __init__(
        self,
        channels: int,
        *,
        form: Form = "mean",
        heads: int | None = None,
        out_channels: int | None = None,
        size: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__(channels)
        self.heads = head_count("attention_pool", heads, 8, channels)
        width = channels if out_channels is None else out_channels
        self.out_channels = at_least("attention_pool", "out_channels", width, 1)
        self.form, self.size = form, None if size is None else _size(size)
        self.register_parameter("token", nn.Parameter(torch.empty(channels)) if form == "query" else None)
        rows = 0 if self.size is None else math.prod(self.size) + (form == "mean")
        self.register_parameter("position", nn.Parameter(torch.empty(rows, channels)) if rows else None)
        self.query = Linear(channels, channels)
        self.key = Linear(channels, channels)
        self.value = Linear(channels, channels)
        self.project = Linear(channels, self.out_channels)
        self.map = Tap("spatial", shares="position" if form == "query" else (), neutral="position")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: weights and embeddings of variance 1 / c; biases as PyTorch's."""
        for values in (self.token, self.position, *(layer.weight for layer in self._layers())):
            if values is not None:
                nn.init.normal_(values, std=self.channels**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(b, out_channels): the positions of x, pooled."""
        self.expect(x, None if self.size is None else (len(self.size),))
        tokens, asking = self._tokens(x)
        query, key, value = (
            split_heads(layer(given), self.heads)
            for layer, given in zip(self._layers()[:3], (asking, tokens, tokens), strict=True)
        )
        logits = wide_product(query, key.transpose(2, 3)) * query.shape[-1] ** -0.5
        shares = softmax(logits, -1).squeeze(2)
        first = int(self.form == "mean")
        attn = self.map(shares[..., first:].reshape(*shares.shape[:2], *x.shape[2:])).flatten(2)
        weights = torch.cat([1 - attn.sum(-1, keepdim=True), attn], -1) if first else attn
        pooled = weights.unsqueeze(2).to(value.dtype) @ value
        return self.project(pooled.flatten(1)).to(x.dtype)

    def _layers(self) -> tuple[nn.Linear, nn.Linear, nn.Linear, nn.Linear]:
        return self.query, self.key, self.value, self.project

    def _tokens(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens (b, tokens, c), and the one of the query (b, 1, c)."""
        dtype = self.key.weight.dtype
        tokens = to_tokens(x).to(dtype)
        if self.form == "mean":
            (mean,) = squeeze_positions(x, "mean")
            tokens = torch.cat([mean.to(dtype).unsqueeze(1), tokens], 1)
        if self.position is not None:
            tokens = tokens + self._embedding(x.shape[2:]).to(dtype)
        if self.token is None:
            return tokens, tokens[:, :1]
        return tokens, self.token.to(dtype).expand(x.shape[0], 1, -1)

    def _embedding(self, size: tuple[int, ...]) -> Tensor:
        """(tokens, c): the embedding of every token, for that size."""
        assert self.position is not None
        assert self.size is not None
        first = int(self.form == "mean")
        grid = widen(self.position[first:]).t().unflatten(1, self.size)
        return torch.cat([widen(self.position[:first]), interpolate(grid, size).flatten(1).t()])


def _size(size: tuple[int, ...]) -> tuple[int, ...]:
    if not isinstance(size, tuple) or not 1 <= len(size) <= 3:
        raise OptionError(
            f"attention_pool: size={size!r} is not allowed; it must be a tuple of one to three sizes, as (7, 7)."
        )
    return tuple(at_least("attention_pool", "size", n, 1) for n in size)
