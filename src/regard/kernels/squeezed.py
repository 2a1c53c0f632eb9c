"""The result of a squeeze, as a gate takes it: the statistics and the features that they are of."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Squeezed:
    """Statistics of features over their positions, each (b, c), in at least float32.

    The features are not public: what comes of them goes through `apply_gate`, so that a kernel may join the two.

    Example:
        >>> import torch
        >>> from regard.kernels import squeeze_positions
        >>> mean, peak = squeeze_positions(torch.tensor([[[1.0, 3.0]]]), "mean", "max")
        >>> mean.item(), peak.item()
        (2.0, 3.0)
    """

    _x: Tensor
    _statistics: tuple[Tensor, ...]

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
