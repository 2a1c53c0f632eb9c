"""The global context block of GCNet."""

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn

from regard.attention.layers import Conv1d, Linear, Rescaling, hidden_width, over_positions, sigmoid, softmax
from regard.core import Facts, Paper, Start, Tap, widen
from regard.core.options import positive
from regard.kernels import Squeezed, add_shift, sum_channels, sum_positions

Pooling = Literal["attention", "mean"]
Fusion = Literal["add", "scale", "both"]

NARROWEST = 4
"""Of one hidden unit the normalisation leaves nothing, of two it leaves which is the larger."""


class GC(Rescaling):
    """Adds to every position one context: a mean of the positions, weighted by one shared map, and transformed.

    a = softmax over positions of w x + b,  g = sum of a x,  y = x + W2 relu(norm(W1 g + b1)) + b2
    with `fusion="scale"`: y = x * sigmoid(W2 relu(norm(W1 g + b1)) + b2); `both` scales first and then adds

    Cao, Xu, Lin, Wei, Hu: GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond, ICCV 2019 workshops,
    equation 5 and section 3.4. The norm is over the hidden units. As in the authors' code W2 and b2 start at 0.

    Args:
        channels: c.
        reduction: r; the hidden layer has max(4, c // r) units.
        hidden: units of the hidden layer instead of that rule; None means the rule.
        pooling: `attention`, or `mean`, where the map is uniform.
        fusion: `add`, `scale`, or `both`, with two transforms of one context.
        epsilon: of the layer normalisation.
        start: see `Features`; with `identity` W2 is drawn.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> GC(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in GC(64).parameters())
        653
    """

    facts = Facts(
        name="gc",
        family="channel",
        act="aggregate",
        paper=Paper(
            title="GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond",
            authors="Yue Cao and Jiarui Xu and Stephen Lin and Fangyun Wei and Han Hu",
            year=2019,
            venue="ICCV Workshops",
            identifier="arXiv:1904.11492",
        ),
        authors_code="https://github.com/xvjiarui/GCNet",
        departures=(
            "The hidden width is never under 4, for the normalisation leaves nothing of one unit and a sign of two.",
            "The weight of the score is stored for one position axis, (1, c, 1), and serves any number of them.",
        ),
        parameters=(
            "(c + 1) * (pooling == 'attention') + (1 + (fusion == 'both')) * (2*c*h + 3*h + c)"
            " where h = hidden or max(4, c // reduction)"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        hidden: int | None = None,
        pooling: Pooling = "attention",
        fusion: Fusion = "add",
        epsilon: float = 1e-5,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        width = hidden_width("gc", channels, reduction, hidden, NARROWEST)
        positive("gc", "epsilon", epsilon)
        self.pooling, self.fusion = pooling, fusion
        if pooling == "attention":
            self.score = Conv1d(channels, 1, 1)
        self.map = Tap("spatial", shares="position")
        if fusion != "add":
            self.scale = _transform(channels, width, epsilon)
            self.gate = Tap("gate")
        if fusion != "scale":
            self.shift = _transform(channels, width, epsilon)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: He's initialisation of the score, and transforms that give 0.

        With `start="identity"` the transforms give what they see, or all else would wait for their last layers.
        """
        if self.pooling == "attention":
            nn.init.kaiming_normal_(self.score.weight, nonlinearity="relu")
            nn.init.zeros_(self.score.bias)  # type: ignore[arg-type]
        for name in ("scale", "shift"):
            if hasattr(self, name):
                last = getattr(self, name).expand
                last.reset_parameters()
                if self.strength is None:
                    nn.init.zeros_(last.weight)
                    nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x with the context added to every position, or with its channels rescaled by the context."""
        self.expect(x)
        squeezed = self._context(x)
        context = squeezed[0].to(next(self.parameters()).dtype)
        if self.fusion == "add" and self.strength is None:
            return add_shift(squeezed, over_positions(self.shift(context), x))
        if self.fusion != "add":
            x = self.rescale(squeezed, self.gate, sigmoid(self.scale(context)))
        return x if self.fusion == "scale" else self.add(x, over_positions(self.shift(context), x))

    def _context(self, x: Tensor) -> Squeezed:
        """The mean (b, c) of all positions, weighted by the map."""
        if self.pooling == "mean":
            return sum_positions(x, self.map(_shares(torch.zeros_like(widen(x[:, :1])))))
        scored = sum_channels(x, self.score.weight.flatten())
        assert self.score.bias is not None
        return sum_positions(scored, self.map(_shares(scored[0] + self.score.bias)))


def _shares(scores: Tensor) -> Tensor:
    """The softmax of scores (b, 1, ...) over positions."""
    return softmax(scores.flatten(2), 2).reshape(scores.shape)


def _transform(channels: int, hidden: int, epsilon: float) -> nn.Sequential:
    layers = OrderedDict[str, nn.Module](
        reduce=Linear(channels, hidden),
        norm=nn.LayerNorm(hidden, eps=epsilon),
        relu=nn.ReLU(),
        expand=Linear(hidden, channels),
    )
    return nn.Sequential(layers)
