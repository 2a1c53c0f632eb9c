"""The multiplication of features by a gate."""

import torch
from torch import Tensor

from regard.core.errors import ShapeError
from regard.kernels.choice import Impl, choose
from regard.kernels.gate.impl import cpu, reference
from regard.kernels.operators import CHANNEL, can_serve
from regard.kernels.squeezed import Held, Squeezed


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
        squeezed, x = x, x._x
        if squeezed._channel is not None:
            return _apply_both(squeezed, gate)
        served, linked, link = squeezed._served, squeezed._linked, squeezed._link
    mode = cpu.mode_of(x, gate) if served or can_serve(x) else None
    if mode is None:
        _expect_fit(x, gate)
    if choose("apply_gate", impl, ("reference",) if mode is None else ("cpu", "reference")) == "cpu":
        assert mode is not None
        return cpu.apply_gate(x, gate, mode, linked, link)
    return reference.apply_gate(x, gate)


def hold_gate(x: Squeezed, gate: Tensor) -> Held | Tensor:
    """The product of features and a gate for each channel, put off where a kernel can do it with what comes next.

    Args:
        x: the result of `squeeze_positions`.
        gate: weights (b, c, 1, ...).

    Returns:
        A `Held` for `squeeze_channels`; where no kernel can join the two, or where only the gate has a gradient, the
        product as of `apply_gate`.
    """
    trains = torch.is_grad_enabled() and (x._x.requires_grad or gate.requires_grad)
    joins = x._served and (x._link is not None and not x._link.is_taken if trains else True)
    if joins and choose("hold_gate", "auto", ("cpu", "reference")) == "cpu" and cpu.mode_of(x._x, gate) == CHANNEL:
        return Held(x, cpu.fit(x._x, gate))
    return apply_gate(x, gate)


def _apply_both(held: Squeezed, gate: Tensor) -> Tensor:
    """Multiply held features by both gates; what fits no kernel is multiplied one after the other."""
    x, channel = held._x, held._channel
    assert channel is not None
    if gate.shape != (x.shape[0], 1, *x.shape[2:]):
        raise ShapeError(
            f"apply_gate: gate has shape {tuple(gate.shape)} and x {tuple(x.shape)}; features that are held take a "
            "gate for each position, (b, 1, ...)."
        )
    return cpu.apply_both(x, channel, gate, held._linked, held._link)


def _expect_fit(x: Tensor, gate: Tensor) -> None:
    if gate.ndim != x.ndim or any(
        given != 1 and given != size for given, size in zip(gate.shape, x.shape, strict=True)
    ):
        raise ShapeError(
            f"apply_gate: gate has shape {tuple(gate.shape)} and x {tuple(x.shape)}; the gate must have as many "
            "axes as x, each of x's size or of size 1."
        )
