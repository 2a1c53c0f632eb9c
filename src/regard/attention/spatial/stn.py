"""The spatial transformer."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from regard.attention.layers import Linear, convolution
from regard.attention.resampling import average
from regard.attention.sampling import NONDETERMINISTIC, sample
from regard.attention.warps import Transform, Warp
from regard.core import Facts, Features, Paper, Start, Tap, widen
from regard.core.options import at_least
from regard.core.tap import identity_grid

Padding = Literal["zeros", "border"]


class STN(Features):
    """Resamples the features by a transformation that a small network predicts from them.

    theta = place(relu(look(average(relu(conv(relu(conv(x)))))))), y = x sampled at the grid of theta: two 3x3
    convolutions, the means of a fixed number of cells, two linear layers. theta is an affine map, a shift, a similarity
    or the targets of a thin plate spline; between positions x is interpolated linearly, and edges, not centres,
    lie at -1 and 1.

    Jaderberg, Simonyan, Zisserman, Kavukcuoglu: Spatial Transformer Networks, NIPS 2015, equations 1 and 3 to 5. The
    last layer has zero weights and the identity in its bias at first, so that every image starts as it is; with
    `start="identity"` y is x + strength (x sampled at the grid - x sampled at its own positions), and the last layer's
    weights are drawn.

    Args:
        channels: c.
        transform: `affine`, `translation`, `similarity` or `thin_plate`.
        hidden: channels and units of the hidden layers.
        cells: cells an axis to which the look is averaged.
        control: control points an axis of the thin plate spline, at least 2.
        padding: what lies outside: `zeros`, or the value of the `border`.
        dims: position axes of x.
        start: see `Features`.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same. The grid is (b, ..., dims).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> STN(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> x = torch.arange(3.0).reshape(1, 1, 3)
        >>> torch.allclose(STN(1, dims=1)(x), x, atol=1e-6)
        True
    """

    facts = Facts(
        name="stn",
        family="spatial",
        act="resample",
        paper=Paper(
            title="Spatial Transformer Networks",
            authors="Max Jaderberg and Karen Simonyan and Andrew Zisserman and Koray Kavukcuoglu",
            year=2015,
            venue="NIPS",
            identifier="arXiv:1506.02025",
        ),
        departures=(
            "The paper leaves the localisation network open; this one takes any size.",
            "The result has the size of x; the paper's may have another.",
            "Minus one and one are the outer edges of the features, so that a grid means the same at every size.",
            "The similarity turns by a complex number or a quaternion; the paper's attention only scales and shifts.",
        ),
        at="stage",
        nondeterministic=NONDETERMINISTIC,
        parameters=(
            "(c*h + h*h)*3**dims + 2*h + h*h*cells**dims + h + h*n + n where h = hidden;"
            " turn = [1, 2, 4][dims - 1];"
            " n = {'affine': dims*(dims + 1), 'translation': dims, 'similarity': turn + dims,"
            " 'thin_plate': dims*control**dims}[transform]"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        transform: Transform = "affine",
        hidden: int = 32,
        cells: int = 4,
        control: int = 4,
        padding: Padding = "zeros",
        dims: int = 2,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        conv = convolution("stn", dims)
        at_least("stn", "hidden", hidden, 1)
        at_least("stn", "control", control, 2)
        self.dims, self.border = dims, padding == "border"
        self.cells = at_least("stn", "cells", cells, 1)
        self.warp = Warp(transform, dims, control)
        self.conv1 = conv(channels, hidden, 3, padding=1)
        self.conv2 = conv(hidden, hidden, 3, padding=1)
        self.look = Linear(hidden * cells**dims, hidden)
        self.place = Linear(hidden, len(self.warp.neutral))
        self.grid = Tap("grid", low=-math.inf, high=math.inf)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The identity in the last layer; its weights are zero as published, or drawn where a `strength` waits."""
        self.place.reset_parameters()
        with torch.no_grad():
            self.place.bias.copy_(self.warp.neutral)
        if self.strength is None:
            nn.init.zeros_(self.place.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x resampled by the predicted transformation."""
        self.expect(x, (self.dims,))
        grid = self.grid(self.warp.grid(self._localise(x), tuple(x.shape[2:])))
        y = sample(x, grid, border=self.border)
        if self.strength is None:
            return self.blend(x, y)
        own = identity_grid(tuple(x.shape[2:]), grid).expand_as(grid)
        return self.add(x, y - sample(x, own, border=self.border))

    def _localise(self, x: Tensor) -> Tensor:
        seen = torch.relu(self.conv2(torch.relu(self.conv1(x))))
        cells = average(widen(seen), (self.cells,) * self.dims).flatten(1)
        return self.place(torch.relu(self.look(cells)))
