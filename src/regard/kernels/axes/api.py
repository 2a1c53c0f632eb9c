"""Means along each axis of positions, and gates along each axis that are made of them."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from regard.core.errors import ShapeError
from regard.kernels.axes.impl import cpu, reference
from regard.kernels.choice import Impl, choose
from regard.kernels.operators import can_serve


class SqueezedAxes:
    """Means of features along each axis of positions, (b, c, n) each, in at least float32.

    The features are not public: what comes of them goes through `apply_axis_gates`, so that a kernel may join the two.
    """

    __slots__ = ("_joined", "_link", "_linked", "_means", "_x")

    def __init__(
        self,
        x: Tensor,
        means: tuple[Tensor, ...] = (),
        joined: Tensor | None = None,
        linked: Tensor | None = None,
        link: cpu.AxisLink | None = None,
    ) -> None:
        self._x, self._means, self._joined, self._linked, self._link = x, means, joined, linked, link

    @property
    def joined(self) -> Tensor:
        """The means of all axes in one sequence, (b, c, h + w)."""
        if self._joined is None:
            self._joined = torch.cat(self._means, 2)
        return self._joined

    def split(self, sequence: Tensor) -> tuple[Tensor, ...]:
        """A sequence as long as `joined`, (..., h + w), cut into its axes again."""
        return sequence.split(list(self._x.shape[2:]), -1)

    def __iter__(self) -> Iterator[Tensor]:
        if not self._means:
            self._means = self.split(self.joined)
        return iter(self._means)


def squeeze_axes(x: Tensor, *, impl: Impl = "auto") -> SqueezedAxes:
    """Compute, for each position axis, the means of x over the other ones.

    Args:
        x: features (b, c, ...), at least one position axis; with a single one the means are x itself.
        impl: the implementation, see `choose`.

    Returns:
        One tensor (b, c, n) for each position axis, in at least float32; `apply_axis_gates` takes them instead of x.

    Raises:
        ShapeError: an x without positions.
        OptionError: an implementation that is not available.

    Example:
        >>> import torch
        >>> rows, columns = squeeze_axes(torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]]))
        >>> rows.tolist(), columns.tolist()
        ([[[1.5, 4.5]]], [[[2.0, 4.0]]])
    """
    if x.ndim < 3:
        raise ShapeError(f"squeeze_axes: x has shape {tuple(x.shape)}; it must be (b, c, ...) with positions.")
    served = x.ndim == 4 and can_serve(x)
    if choose("squeeze_axes", impl, ("cpu", "reference") if served else ("reference",)) == "cpu":
        joined, linked, link = cpu.squeeze_axes(x)
        return SqueezedAxes(x, joined=joined, linked=linked, link=link)
    return SqueezedAxes(x, reference.squeeze_axes(x))


def apply_axis_gates(x: Tensor | SqueezedAxes, gates: Sequence[Tensor], *, impl: Impl = "auto") -> Tensor:
    """Multiply features by a gate along each axis.

    Args:
        x: features (b, c, ...), or the result of `squeeze_axes`.
        gates: weights with as many axes as x, each of x's size or 1, such as (b, c, h, 1) and (b, c, 1, w).
        impl: the implementation, see `choose`.

    Returns:
        The product of x and all gates, in x's dtype and with x's strides.

    Raises:
        ShapeError: a gate that does not fit x.
        OptionError: an implementation that is not available.

    Example:
        >>> import torch
        >>> x, rows, columns = torch.ones(1, 1, 2, 2), torch.tensor([1.0, 2.0]), torch.tensor([3.0, 5.0])
        >>> apply_axis_gates(x, (rows.view(1, 1, 2, 1), columns.view(1, 1, 1, 2))).tolist()
        [[[[3.0, 5.0], [6.0, 10.0]]]]
    """
    squeezed = x if isinstance(x, SqueezedAxes) else SqueezedAxes(x)
    x = squeezed._x
    served = _lie_along_both_axes(x, gates) and can_serve(x)
    if not served:
        _expect_fit(x, gates)
    if choose("apply_axis_gates", impl, ("cpu", "reference") if served else ("reference",)) == "cpu":
        rows, columns = gates
        return cpu.apply_axis_gates(x, rows, columns, squeezed._linked, squeezed._link)
    return reference.apply_axis_gates(x, gates)


def _lie_along_both_axes(x: Tensor, gates: Sequence[Tensor]) -> bool:
    if x.ndim != 4 or len(gates) != 2:
        return False
    b, c, h, w = x.shape
    return gates[0].shape == (b, c, h, 1) and gates[1].shape == (b, c, 1, w)


def _expect_fit(x: Tensor, gates: Sequence[Tensor]) -> None:
    for number, gate in enumerate(gates):
        if gate.ndim != x.ndim or any(
            given != 1 and given != size for given, size in zip(gate.shape, x.shape, strict=True)
        ):
            raise ShapeError(
                f"apply_axis_gates: gate {number} has shape {tuple(gate.shape)} and x {tuple(x.shape)}; a gate must "
                "have as many axes as x, each of x's size or of size 1."
            )
