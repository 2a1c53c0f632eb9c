"""The channel half of the convolutional block attention module."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, get_args

import torch
from torch import Tensor, nn, relu

from regard.attention.layers import Rescaling, bottleneck, sigmoid
from regard.core import Facts, OptionError, Paper, Start, Tap, widen
from regard.core.options import one_of
from regard.kernels import Held, Squeezed, apply_gate, hold_gate, squeeze_positions

PAPER = Paper(
    title="CBAM: Convolutional Block Attention Module",
    authors="Sanghyun Woo and Jongchan Park and Joon-Young Lee and In So Kweon",
    year=2018,
    venue="ECCV",
    identifier="arXiv:1807.06521",
)

Pool = Literal["mean", "max", "lp", "lse"]


def _length(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(widen(x).flatten(2), dim=2)


def _soft_maximum(x: Tensor) -> Tensor:
    return torch.logsumexp(widen(x).flatten(2), 2)


POOLS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        "lp": _length,
        "lse": _soft_maximum,
    }
)
"""The pools over a channel's positions beside those of `squeeze_positions`, in at least float32."""


class CBAMChannel(Rescaling):
    """Rescales each channel by one small network of the channels' means and of their maxima.

    y = x * sigmoid(mlp(mean(x)) + mlp(max(x))), mlp(s) = W1 relu(W0 s + b0) + b1, both taken over positions.

    Woo, Park, Lee, Kweon: CBAM: Convolutional Block Attention Module, ECCV 2018, equation 2. The paper writes no
    biases; the authors' code, whose weights exist, has both. It can also look at two statistics that the paper leaves
    out, in any combination: the root of the sum of squares (`lp`) and the logarithm of the sum of exponentials (`lse`).

    Args:
        channels: c.
        reduction: r; the hidden layer has max(min_hidden, c // r) units.
        hidden: units of the hidden layer instead of that rule; None means the rule.
        min_hidden: the fewest units that the rule gives.
        bias: whether both layers have a bias.
        pools: the statistics whose scores are added, some of `mean`, `max`, `lp`, `lse`.
        start: see `Features`.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> CBAMChannel(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
    """

    facts = Facts(
        name="cbam_channel",
        family="channel",
        paper=PAPER,
        authors_code="https://github.com/Jongchan/attention-module",
        departures=(
            "The hidden width is never under 1, so that a narrow layer still sees its input.",
            "Positions that tie for the maximum share its gradient, which is deterministic on CUDA; the authors' code "
            "gives it to one of them.",
        ),
        parameters="2*c*h + bias*(h + c) where h = hidden or max(min_hidden, c // reduction)",
    )

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        hidden: int | None = None,
        min_hidden: int = 1,
        bias: bool = True,
        pools: tuple[Pool, ...] = ("mean", "max"),
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        self.pools = _check_pools(pools)
        self.reduce, self.expand = bottleneck("cbam_channel", channels, reduction, bias, hidden, min_hidden)
        self.gate = Tap("gate")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the weights as a linear layer does and sets the biases to 0, as the authors' networks do."""
        for layer in (self.reduce, self.expand):
            layer.reset_parameters()
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel rescaled."""
        return apply_gate(*self._weigh(x))

    def hold(self, x: Tensor) -> Tensor | Held:
        """x with every channel rescaled, which may be put off, see `hold_gate`."""
        return hold_gate(*self._weigh(x))

    def _weigh(self, x: Tensor) -> tuple[Squeezed, Tensor]:
        """The features, squeezed, and the map as it is applied."""
        self.expect(x)
        squeezed = squeeze_positions(x, *[pool for pool in self.pools if pool in ("mean", "max")])
        made = iter(squeezed)
        statistics = [POOLS[pool](x) if pool in POOLS else next(made) for pool in self.pools]
        scores = self.expand.logits(relu(self.reduce(torch.stack(statistics))))
        return squeezed, self.show(squeezed, self.gate, sigmoid(scores.sum(0)))


def _check_pools(pools: tuple[Pool, ...]) -> tuple[Pool, ...]:
    """Return the pools, which must be known and named once."""
    if not isinstance(pools, tuple) or not pools or len(set(pools)) < len(pools):
        raise OptionError(
            f"cbam_channel: pools={pools!r} is not allowed; it must name some of "
            f"{', '.join(map(repr, get_args(Pool)))}, each once, for example ('mean', 'max')."
        )
    for pool in pools:
        one_of("cbam_channel", "pools", pool, get_args(Pool))
    return pools
