"""The result of a squeeze, as a gate takes it: the statistics and the features that they are of."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from regard.kernels.operators import NONE, laid_out_as

if TYPE_CHECKING:
    from regard.kernels.branch_select.impl import cpu as branches_cpu

Outer = tuple[Tensor, Tensor]
"""A gradient of features that is a number of each position (b, p) times one of each channel (b, c)."""


class Link:
    """The joint of the backward passes of operators that take the same features one after the other.

    Squeezes give the features on, at last to a gate, and to nobody else. So each backward pass leaves here what the
    gradient of the features is made of, and hands on the gradient from above as it came; that of the first operator,
    which runs last, writes the gradient of the features once, of all that was left. One link serves one gate: another
    consumer of the features would get a gradient that is not its own.
    """

    __slots__ = ("channel", "features", "mode", "outer", "position", "tops")

    def __init__(self) -> None:
        self.begin(None, None, NONE)

    def begin(self, channel: Tensor | None, position: Tensor | None, mode: int) -> None:
        """Begin a backward pass: the features stand in the result with these weights, or not at all (`NONE`)."""
        self.channel, self.position, self.mode = channel, position, mode
        self.outer: list[Outer] = []
        self.tops: tuple[Tensor, ...] | None = None
        self.features: Tensor | None = None

    def leave(self, features: Tensor, outer: Outer | None, tops: tuple[Tensor, ...] | None = None) -> None:
        """Leave a part of the gradient; `tops` are a position's maximum's gradient, itself, its channel, its ties."""
        self.features = features
        if outer is not None:
            self.outer.append(outer)
        self.tops = tops or self.tops

    def write(
        self, g: Tensor, x: Tensor, u: Tensor | None = None, v: Tensor | None = None, *peaks: Tensor | None
    ) -> Tensor:
        """The gradient of the features x, of g from above and of all that was left.

        Args:
            g: the gradient of the result, of no account where the features do not stand in it.
            x: the features.
            u: (b, c), a gradient that all positions of a channel have.
            v: (b, c), one that all have by their value.
            peaks: those of the channels' maxima: the gradient, the maximum, its place, its ties.
        """
        outer = [number for pair in self.outer for number in pair]
        made: Tensor = torch.ops.regard.gate_spread.default(
            None if self.mode == NONE else laid_out_as(x, g),
            x,
            *(self.channel, self.position, self.mode),
            *(outer + [None] * (4 - len(outer))),
            *(u, v, *(peaks or (None,) * 4)),
            *(self.tops or (None,) * 4),
        )
        self.begin(None, None, NONE)  # the graph may live on, what was left for it need not
        return made


def nothing_above(x: Tensor) -> Tensor:
    """A gradient of zeros that takes no memory."""
    return x.new_zeros(()).expand(x.shape)


class Squeezed:
    """Statistics of features over their positions or their channels, in at least float32.

    The features are not public: what comes of them goes through `apply_gate`, so that a kernel may join the two.

    Example:
        >>> import torch
        >>> from regard.kernels import squeeze_positions
        >>> mean, peak = squeeze_positions(torch.tensor([[[1.0, 3.0]]]), "mean", "max")
        >>> mean.item(), peak.item()
        (2.0, 3.0)
    """

    __slots__ = ("_channel", "_link", "_linked", "_modes", "_served", "_statistics", "_x")

    def __init__(
        self,
        x: Tensor,
        statistics: tuple[Tensor, ...],
        linked: Tensor | None = None,
        link: Link | None = None,
        *,
        served: bool = False,
        channel: Tensor | None = None,
        modes: tuple[int, ...] | None = None,
    ) -> None:
        self._channel, self._modes = channel, modes
        self._x, self._statistics, self._linked, self._link, self._served = x, statistics, linked, link, served

    @property
    def ndim(self) -> int:
        """The number of axes of the features."""
        return self._x.ndim

    def _take(self, mode: int | None = None) -> tuple[Tensor | None, Link | None]:
        """The features to go on with, and the link: once, for a gate that the link can serve, else None, see `Link`."""
        if self._modes is not None and mode not in self._modes:
            return None, None
        linked, self._linked = self._linked, None
        return linked, None if linked is None else self._link

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self._statistics)

    def __getitem__(self, number: int) -> Tensor:
        return self._statistics[number]

    def __len__(self) -> int:
        return len(self._statistics)


class Held:
    """Features and a gate for each channel, not multiplied yet: what comes next may be done in the same passes.

    `squeeze_channels` takes it as the product that it stands for, and what that gives takes a gate for each position.
    """

    __slots__ = ("_gate", "_squeezed")

    def __init__(self, squeezed: Squeezed, gate: Tensor) -> None:
        self._squeezed, self._gate = squeezed, gate


class SqueezedBranches:
    """The mean of the sum of branches, and the branches, as `select_branches` takes them.

    Attributes:
        mean: (b, c), in at least float32.
    """

    __slots__ = ("_branches", "_count", "_link", "_token", "mean")

    def __init__(
        self,
        mean: Tensor,
        branches: tuple[Tensor, ...],
        count: int,
        token: Tensor | None = None,
        link: "branches_cpu.Link | None" = None,
    ) -> None:
        self.mean, self._branches, self._count, self._token, self._link = mean, branches, count, token, link
