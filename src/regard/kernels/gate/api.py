"""The multiplication of features by a gate."""

from torch import Tensor

from regard.core.errors import ShapeError
from regard.kernels.choice import Impl, choose
from regard.kernels.gate.impl import cpu, reference
from regard.kernels.operators import can_serve
from regard.kernels.squeezed import Squeezed


def apply_gate(x: Tensor | Squeezed, gate: Tensor, *, impl: Impl = "auto") -> Tensor:
    """Multiply features by a gate.

    Args:
        x: features (b, c, ...), or the result of `squeeze_positions`.
        gate: weights with as many axes as x, each of x's size or 1, for example (b, c, 1, 1) or (b, 1, h, w).
        impl: the implementation, see `choose`.

    Returns:
        x * gate in x's dtype and with x's strides.

    Raises:
        ShapeError: a gate that does not fit x (one that is larger where x has size 1 would enlarge the features).
        OptionError: an implementation that is not available.

    Example:
        >>> import torch
        >>> apply_gate(torch.ones(1, 2, 3), torch.full((1, 2, 1), 0.5)).sum().item()
        3.0
    """
    served, linked, link = False, None, None
    if isinstance(x, Squeezed):
        x, served, linked, link = x._x, x._served, x._linked, x._link
    mode = cpu.mode_of(x, gate) if served or can_serve(x) else None
    if mode is None:
        _expect_fit(x, gate)
    if choose("apply_gate", impl, ("reference",) if mode is None else ("cpu", "reference")) == "cpu":
        assert mode is not None
        return cpu.apply_gate(x, gate, mode, linked, link)
    return reference.apply_gate(x, gate)


def _expect_fit(x: Tensor, gate: Tensor) -> None:
    if gate.ndim != x.ndim or any(
        given != 1 and given != size for given, size in zip(gate.shape, x.shape, strict=True)
    ):
        raise ShapeError(
            f"apply_gate: gate has shape {tuple(gate.shape)} and x {tuple(x.shape)}; the gate must have as many "
            "axes as x, each of x's size or of size 1."
        )
