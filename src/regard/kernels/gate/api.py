"""The multiplication of features by a gate."""

from typing import Literal

import torch
from torch import Tensor

from regard.core.errors import ShapeError
from regard.kernels.choice import Impl, choose
from regard.kernels.gate.impl import cpu, reference
from regard.kernels.operators import CHANNEL, SHIFT, SIGMOID, SIGMOID_OF_PRODUCT, SUM, can_serve
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
    squeezed = None
    if isinstance(x, Squeezed):
        squeezed, x = x, x._x
        if squeezed._channel is not None:
            return _apply_to_held(squeezed, gate)
    mode = cpu.mode_of(x, gate) if (can_serve(x) if squeezed is None else squeezed._served) else None
    if mode is None:
        _expect_fit(x, gate)
    if choose("apply_gate", impl, ("reference",) if mode is None else ("cpu", "reference")) != "cpu":
        return reference.apply_gate(x, gate)
    assert mode is not None
    gate = cpu.fit(x, gate)
    channel, position = (gate, None) if mode == CHANNEL else (None, gate)
    return cpu.apply_gate(x, channel, position, mode, *((None, None) if squeezed is None else squeezed._take(mode)))


Combine = Literal["sum", "sigmoid of sum", "sigmoid of product"]

_MODES = {"sum": SUM, "sigmoid of sum": SIGMOID, "sigmoid of product": SIGMOID_OF_PRODUCT}


def apply_both(x: Tensor | Squeezed, channel: Tensor, position: Tensor, combine: Combine = "sum") -> Tensor:
    """Multiply features by a number for each channel and one for each position, combined.

    The combined map, as large as the features, is not made.

    Args:
        x: features (b, c, ...), or the result of a squeeze.
        channel: (b, c, 1, ...).
        position: (b, 1, ...).
        combine: `sum`, or 1 + the sigmoid of their sum or product.

    Returns:
        x times the combination, in x's dtype and with x's strides.

    Raises:
        ShapeError: numbers that do not fit x.

    Example:
        >>> x = torch.ones(1, 2, 2)
        >>> apply_both(x, torch.tensor([[[1.0], [2.0]]]), torch.tensor([[[0.0, 5.0]]])).tolist()
        [[[1.0, 6.0], [2.0, 7.0]]]
    """
    features = x._x if isinstance(x, Squeezed) else x
    ones = (1,) * (features.ndim - 2)
    if channel.shape != (*features.shape[:2], *ones) or position.shape != (features.shape[0], 1, *features.shape[2:]):
        raise ShapeError(
            f"apply_both: channel and position have shapes {tuple(channel.shape)} and {tuple(position.shape)}, and x "
            f"{tuple(features.shape)}; they must be (b, c, 1, ...) and (b, 1, ...)."
        )
    served = x._served if isinstance(x, Squeezed) else can_serve(x)
    if choose("apply_both", "auto", ("cpu", "reference") if served else ("reference",)) != "cpu":
        return reference.apply_both(features, channel, position, combine)
    mode = _MODES[combine]
    parts = (cpu.fit(features, channel), cpu.fit(features, position), mode)
    return cpu.apply_gate(features, *parts, *(x._take(mode) if isinstance(x, Squeezed) else (None, None)))


def add_shift(x: Squeezed, shift: Tensor) -> Tensor:
    """Add a number to all positions of a channel.

    Args:
        x: the result of a squeeze of features (b, c, ...).
        shift: (b, c, 1, ...).

    Returns:
        x + shift in x's dtype and with x's strides.

    Example:
        >>> from regard.kernels import squeeze_positions
        >>> squeezed = squeeze_positions(torch.tensor([[[1.0, 3.0]]]), "mean")
        >>> add_shift(squeezed, squeezed[0].unsqueeze(2)).tolist()
        [[[3.0, 5.0]]]
    """
    if choose("add_shift", "auto", ("cpu", "reference") if x._served else ("reference",)) != "cpu":
        return x._x + shift.to(x._x.dtype)
    return cpu.add_shift(x._x, shift, *x._take(SHIFT))


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
    joins = x._served and x._modes is None and not (trains and x._linked is None)
    if joins and choose("hold_gate", "auto", ("cpu", "reference")) == "cpu" and cpu.mode_of(x._x, gate) == CHANNEL:
        if not torch.is_grad_enabled():  # what is made without gradients has none later either
            x, gate = Squeezed(x._x.detach(), tuple(x), served=True), gate.detach()
        return Held(x, cpu.fit(x._x, gate))
    return apply_gate(x, gate)


def _apply_to_held(held: Squeezed, gate: Tensor) -> Tensor:
    """Multiply held features by both gates."""
    x, channel = held._x, held._channel
    assert channel is not None
    if gate.shape != (x.shape[0], 1, *x.shape[2:]):
        raise ShapeError(
            f"apply_gate: gate has shape {tuple(gate.shape)} and x {tuple(x.shape)}; features that are held take a "
            "gate for each position, (b, 1, ...)."
        )
    return cpu.apply_held(x, channel, gate, *held._take())


def _expect_fit(x: Tensor, gate: Tensor) -> None:
    if gate.ndim != x.ndim or any(
        given != 1 and given != size for given, size in zip(gate.shape, x.shape, strict=True)
    ):
        raise ShapeError(
            f"apply_gate: gate has shape {tuple(gate.shape)} and x {tuple(x.shape)}; the gate must have as many "
            "axes as x, each of x's size or of size 1."
        )
