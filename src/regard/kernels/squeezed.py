"""The result of a squeeze, as a gate takes it: the statistics and the features that they are of."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from regard.kernels.branch_select.impl import cpu as branches_cpu


class Link:
    """What joins the backward passes of a squeeze and of the gate that is made of it.

    The features reach the gate through the squeeze, which is alone in giving them to it. So the gate's backward pass
    leaves the weights here and hands on the gradient as it came; the squeeze's, which follows, writes the gradient of
    the features once: weighted, and with that of the statistics. One link serves one gate: any other consumer would
    get a gradient that is not its own.
    """

    __slots__ = ("channel", "features", "is_taken", "mode", "position", "spatial")

    def __init__(self) -> None:
        self.is_taken = False
        self.mode = 0
        self.channel: Tensor | None = None
        self.position: Tensor | None = None
        self.features: Tensor | None = None
        self.spatial: tuple[Tensor | None, ...] = ()


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

    __slots__ = ("_channel", "_link", "_linked", "_served", "_statistics", "_x")

    def __init__(
        self,
        x: Tensor,
        statistics: tuple[Tensor, ...],
        linked: Tensor | None = None,
        link: Link | None = None,
        *,
        served: bool = False,
        channel: Tensor | None = None,
    ) -> None:
        self._channel = channel
        self._x, self._statistics, self._linked, self._link, self._served = x, statistics, linked, link, served

    @property
    def ndim(self) -> int:
        """The number of axes of the features."""
        return self._x.ndim

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self._statistics)

    def __getitem__(self, number: int) -> Tensor:
        return self._statistics[number]

    def __len__(self) -> int:
        return len(self._statistics)


class Held:
    """Features and a gate for each channel, not multiplied yet: what comes next may be done in the same passes.

    `squeeze_channels` and `apply_gate` take it as the product that it stands for.
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
