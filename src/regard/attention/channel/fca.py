"""Frequency channel attention."""

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, relu

from regard.attention.layers import Rescaling, bottleneck, sigmoid
from regard.attention.resampling import average
from regard.core import Facts, Paper, Start, Tap, widen
from regard.core.options import at_least

Frequencies = Literal[
    "top1", "top2", "top4", "top8", "top16", "top32",
    "bot1", "bot2", "bot4", "bot8", "bot16", "bot32",
    "low1", "low2", "low4", "low8", "low16", "low32",
]  # fmt: skip

CELLS = 7
"""The frequencies are counted on a grid of 7 x 7."""

ORDERS = {
    "top": ("00 01 60 05 02 10 12 40 50 16 30 04 06 03 35 22 46 63 33 53 55 21 61 52 54 32 31 41 23 20 65 13"),
    "bot": ("66 14 34 36 26 43 11 24 44 45 56 15 42 62 25 51 64 13 65 20 23 41 31 32 54 52 61 21 55 53 33 63"),
    "low": ("00 01 10 11 02 20 21 12 22 03 30 40 04 13 31 05 14 23 32 41 50 06 15 24 33 42 51 60 16 25 34 43"),
}
"""Vertical and horizontal frequency: the best and the worst ones alone, by the authors' trials, and the lowest ones."""


class FCA(Rescaling):
    """Rescales each channel by a gate made of one frequency component of every channel instead of its mean.

    y = x * sigmoid(W2 relu(W1 z)),  z = sum over positions of x cos(pi u (i + 1/2) / h) cos(pi v (j + 1/2) / w) / norm
    where the channels are shared out among the frequencies (u, v) in turn, and the norm makes each cosine of length 1

    Qin, Zhang, Wu, Li: FcaNet: Frequency Channel Attention Networks, ICCV 2021, equations 4 (transform), 8 to 10
    (frequencies of parts of the channels, gate). u and v are the frequencies of a 7 x 7 grid times h // 7 and w // 7,
    as in the authors' code: along an axis under 7 every channel sees the mean. (0, 0) is the mean, so that `top1` is
    `se` without biases, on the mean times the root of the positions.

    Args:
        channels: c.
        reduction: r; the hidden layer has max(1, c // r) units.
        frequencies: `top`, `bot` or `low` and how many of them.
        size: the grid that x is averaged to first, 56, 28, 14 and 7 in the stages of the authors' networks; None
            takes x as it is, which is the same where it has that size.
        start: see `Features`.

    Shape:
        x (b, c, h, w); y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> FCA(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in FCA(64).parameters())
        512
    """

    waves: Tensor

    facts = Facts(
        name="fca",
        family="channel",
        paper=Paper(
            title="FcaNet: Frequency Channel Attention Networks",
            authors="Zequn Qin and Pengyi Zhang and Fei Wu and Xi Li",
            year=2021,
            venue="ICCV",
            identifier="arXiv:2012.11879",
        ),
        authors_code="https://github.com/cfzd/FcaNet",
        departures=(
            "By default the cosines fit the size of x; the authors' fit the size of a stage's features at 224 pixels, "
            "to which x is averaged, and size gives that.",
            "Frequencies that do not divide the channels are shared out as evenly as it goes; the authors' code "
            "refuses them.",
            "The hidden width is never under 1, so that a narrow layer still sees its input.",
        ),
        dims=(2,),
        parameters="2*c*h where h = max(1, c // reduction)",
    )

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        frequencies: Frequencies = "top16",
        size: int | None = None,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        self.size = None if size is None else at_least("fca", "size", size, 1)
        self.register_buffer("waves", frequencies_of(channels, frequencies), persistent=False)
        self.reduce, self.expand = bottleneck("fca", channels, reduction, bias=False)
        self.gate = Tap("gate")

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel rescaled."""
        self.expect(x)
        return self.rescale(x, self.gate, sigmoid(self.expand(relu(self.reduce(self._transform(x))))))

    def _transform(self, x: Tensor) -> Tensor:
        """Compute one coefficient (b, c) of each channel's discrete cosine transform."""
        x = widen(x) if self.size is None else average(widen(x), (self.size, self.size))
        return (x * cosines(self.waves, tuple(x.shape[2:]), like=x)).sum((2, 3))


def frequencies_of(channels: int, frequencies: str) -> Tensor:
    """The vertical and the horizontal frequency (c, 2) of every channel.

    >>> frequencies_of(4, "top2").tolist()
    [[0, 0], [0, 0], [0, 1], [0, 1]]
    """
    order = ORDERS[frequencies[:3]].split()[: int(frequencies[3:])]
    chosen = [order[channel * len(order) // channels] for channel in range(channels)]
    return torch.tensor([[int(digit) for digit in pair] for pair in chosen])


def cosines(waves: Tensor, size: tuple[int, ...], *, like: Tensor) -> Tensor:
    """(c, h, w): the factors of a channel's positions, in the dtype and on the device of `like`."""
    rows, columns = (_cosines(waves[:, axis, None], size[axis], like) for axis in (0, 1))
    return rows.unsqueeze(2) * columns.unsqueeze(1)


def basis(options: Mapping[str, object], theirs: Tensor) -> Tensor:
    """The cosines (c, h, w) that the authors store, as our options make them; of their size where ours fits any."""
    side = options["size"]
    size = tuple(theirs.shape[1:]) if side is None else (int(str(side)),) * 2
    return cosines(frequencies_of(theirs.shape[0], str(options["frequencies"])), size, like=theirs)


def _cosines(frequencies: Tensor, size: int, like: Tensor) -> Tensor:
    """(c, size): a cosine of length 1 for each channel, of its frequency on 7 cells, as fast on each cell of `size`."""
    cells = torch.arange(size, device=like.device, dtype=like.dtype)
    times = torch.ones_like(cells).sum().div(CELLS).floor()
    turns = times * frequencies
    waves = torch.cos(math.pi * turns * (cells + 0.5) / size)
    squares = 1 + (turns != 0).to(like.dtype)
    return waves * (squares / torch.ones_like(cells).sum()).sqrt()
