"""The glimpse sensor: concentric patches around a position."""

from typing import ClassVar

import torch
from torch import Tensor

from regard.core.errors import OptionError, ShapeError
from regard.core.facts import Facts, Input, Paper
from regard.core.features import Features
from regard.core.options import at_least
from regard.core.precision import widen
from regard.core.tap import Tap


def _somewhere(channels: int, size: tuple[int, ...], batch: int) -> Tensor:
    return 2 * torch.rand(batch, len(size)) - 1


class Glimpse(Features):
    """Cuts concentric patches of growing size around a position and averages each down to one size.

    Patch i = 0 to k - 1 has the side g s^i; a cell of it is the mean of the x under the cell, and what lies outside
    x is 0. y holds the patches of all scales, the channels of the finest first.

    Mnih, Heess, Graves, Kavukcuoglu: Recurrent Models of Visual Attention, NIPS 2014, section 3.1 (the glimpse sensor).
    A position is (0, 0) in the middle of x, and -1 and 1 are its outer edges along each axis, so that a position means
    the same at every size. The cost depends on g, s and k, not on the size of x. NaN in a position gives NaN.

    Args:
        channels: c.
        size: g, the side of every patch in y.
        scales: k.
        scale: s, at least 1, not only a whole number.
        bilinear: interpolate linearly between pixels, which gives the position a gradient; else a patch begins at the
            nearest pixel.

    Shape:
        x (b, c, ...) with 1 to 3 position axes, position (b, axes), the last axis first; without it the middle.
        y (b, k c, g, ...). The map is (b, 1, axes).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes, or a position that does not fit it.

    Example:
        >>> Glimpse(3, size=8, scales=2)(torch.randn(2, 3, 60, 40), torch.zeros(2, 2)).shape
        torch.Size([2, 6, 8, 8])
        >>> x = torch.arange(4.0).reshape(1, 1, 4)
        >>> Glimpse(1, size=2, scales=2)(x).tolist()
        [[[1.0, 2.0], [0.5, 2.5]]]
    """

    facts: ClassVar[Facts] = Facts(
        name="glimpse",
        family="spatial",
        kind="hard",
        act="resample",
        paper=Paper(
            title="Recurrent Models of Visual Attention",
            authors="Volodymyr Mnih and Nicolas Heess and Alex Graves and Koray Kavukcuoglu",
            year=2014,
            venue="NIPS",
            identifier="arXiv:1406.6247",
        ),
        departures=(
            "The paper does not say how patches are made smaller; ours are averaged.",
            "Minus one and one are the outer edges of each axis; the paper leaves units open, and some ports use the "
            "height for both axes.",
        ),
        at="input",
        returns="patches",
        inputs=(Input(name="position", shape="(b, axes)", optional=True, example=_somewhere),),
        bare=False,
        nondeterministic="scatter_add_, the gradient of gather, without torch.use_deterministic_algorithms(True)",
        parameters="0",
    )

    def __init__(
        self, channels: int, *, size: int = 8, scales: int = 1, scale: float = 2.0, bilinear: bool = False
    ) -> None:
        super().__init__(channels)
        self.size = at_least("glimpse", "size", size, 1)
        self.bilinear = bilinear
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not 1 <= scale < float("inf"):
            raise OptionError(f"glimpse: scale={scale!r} is not allowed; it must be a number of at least 1.")
        self.sides = tuple(size * float(scale) ** i for i in range(at_least("glimpse", "scales", scales, 1)))
        self.place = Tap("glimpse", low=-float("inf"), high=float("inf"))

    @property
    def out_channels(self) -> int:
        """Channels of y."""
        return self.channels * len(self.sides)

    def forward(self, x: Tensor, position: Tensor | None = None) -> Tensor:
        """The patches of all scales around the position, in x's dtype."""
        self.expect(x)
        axes = x.ndim - 2
        if position is None:
            position = widen(x).new_zeros(x.shape[0], axes)
        elif position.shape != (x.shape[0], axes) or not position.is_floating_point():
            raise ShapeError(
                f"glimpse: position has shape {tuple(position.shape)} and dtype {position.dtype}; for x of shape "
                f"{tuple(x.shape)} it must be floating point ({x.shape[0]}, {axes}), one position for each image."
            )
        position = self.place(widen(position).unsqueeze(1)).squeeze(1)
        patches = torch.cat([self._patch(x, position, side) for side in self.sides], 1)
        unknown = (0 * position.detach()).sum(1).reshape(-1, *(1,) * (axes + 1))
        return match_layout(x, (patches + unknown).to(x.dtype))

    def _patch(self, x: Tensor, position: Tensor, side: float) -> Tensor:
        """(b, c, g, ...): the patch of that side, averaged down."""
        windows = [self._window(position[:, -1 - axis], n, side) for axis, n in enumerate(x.shape[2:])]
        shape = [x.shape[0], *(rows.shape[1] for rows, _ in windows)]
        index = position.new_zeros(shape, dtype=torch.int64)
        inside = position.new_ones(shape, dtype=torch.bool)
        for axis, ((rows, _), n) in enumerate(zip(windows, x.shape[2:], strict=True)):
            spread = rows.reshape(x.shape[0], *(-1 if axis == other else 1 for other in range(len(windows))))
            inside = inside & (spread >= 0) & (spread < n)
            index = index * n + spread.clamp(0, n - 1)
        flat = index.flatten(1).unsqueeze(1).expand(-1, x.shape[1], -1)
        seen = widen(x.flatten(2).gather(2, flat)).unflatten(2, shape[1:])
        seen = torch.where(inside.unsqueeze(1), seen, torch.zeros_like(seen))
        for axis, (_, shares) in enumerate(windows, start=2):
            if shares is not None:
                # (b, ..., n) times (b, n, g), the axes between folded into rows.
                moved = seen.movedim(axis, -1)
                seen = (moved.flatten(1, -2) @ shares.to(seen.dtype)).unflatten(1, moved.shape[1:-1]).movedim(-1, axis)
        return seen

    def _window(self, position: Tensor, n: int, side: float) -> tuple[Tensor, Tensor | None]:
        """The pixels (b, w) that a patch covers along an axis of n, and the share (b or 1, w, g) of each in a cell.

        The shares are None where every cell is a pixel.
        """
        # Beyond these a patch sees nothing, and a position of any size would not fit an integer.
        start = (position.clamp(-side - 3, side + 3) + 1) * n / 2 - side / 2
        first = start.detach() if self.bilinear else (start.detach() + 0.5)
        first = first.floor()
        width = -(-side // 1) + self.bilinear
        offsets = torch.arange(int(width), device=position.device)
        pixels = first.nan_to_num().long()[:, None] + offsets
        if not self.bilinear and side == self.size:
            return pixels, None
        begin = (start - first)[:, None, None] if self.bilinear else start.new_zeros(1, 1, 1)
        cell = side / self.size
        left = begin + cell * torch.arange(self.size, device=position.device)
        low = offsets.to(start.dtype)[:, None]
        covered = torch.minimum(left + cell, low + 1) - torch.maximum(left, low)
        return pixels, covered.clamp_min(0) / cell


def match_layout(x: Tensor, y: Tensor) -> Tensor:
    """Returns y with its channels last in memory where those of x are."""
    for axes, last in ((4, torch.channels_last), (5, torch.channels_last_3d)):
        if x.ndim == axes and not x.is_contiguous() and x.is_contiguous(memory_format=last):
            return y.contiguous(memory_format=last)
    return y.contiguous()
