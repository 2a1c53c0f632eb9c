"""The control that every gate has to beat: a learned constant map."""

from typing import Literal

import torch
from torch import Tensor, nn

from regard.attention.layers import Rescaling, sigmoid
from regard.attention.resampling import interpolate
from regard.core import Axis, Facts, OptionError, Paper, Start, Tap, widen
from regard.core.options import at_least

Shape = Literal["channel", "spatial"]


class Static(Rescaling):
    """Rescales each channel, or each position, by a learned number that is the same for every input.

    y = x * sigmoid(l), l one logit for each channel, or a grid of logits resampled linearly to the size of x.

    Nobody's invention but a control: what a gate gains over it is due to looking at the input, the rest is a learned
    scale. Huang, Zhong, Wen, Qin, Lin (ECCV 2024) show that the channel gates of trained networks are nearly such
    constants. The logits start at 0, so the map at 1/2, as a gate's does on average.

    Args:
        channels: c.
        shape: `channel` or `spatial`.
        size: the grid of `spatial`, one number for each position axis of x; None means (7, 7).
        start: see `Features`.

    Shape:
        x (b, c, ...) with 1 to 3 position axes (with a grid, as many as `size` has); y the same.

    Raises:
        OptionError: an option out of its range, or a `size` that does not go with the `shape`.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> Static(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> Static(64, shape="spatial", size=(7, 5)).logits.shape
        torch.Size([7, 5])
    """

    facts = Facts(
        name="static",
        family="channel",
        paper=Paper(
            title="Stripe Observation Guided Inference Cost-free Attention Mechanism",
            authors="Zhongzhan Huang and Shanshan Zhong and Wushao Wen and Jinghui Qin and Liang Lin",
            year=2024,
            venue="ECCV",
            identifier="arXiv:2304.06345",
        ),
        departures=("The paper observes that channel gates become constants; learning them directly is ours.",),
        parameters="c if shape == 'channel' else prod(size or (7, 7))",
    )

    def __init__(
        self,
        channels: int,
        *,
        shape: Shape = "channel",
        size: tuple[int, ...] | None = None,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        if shape == "channel" and size is not None:
            raise OptionError(
                f"static: size={size!r} is not allowed with shape='channel'; it is the grid of 'spatial'."
            )
        spatial, grid = shape == "spatial", (7, 7) if size is None else _check_size(size)
        self._dims = (len(grid),) if spatial else self.facts.dims
        self.logits = nn.Parameter(torch.empty(grid if spatial else (channels,)))
        self.gate = Tap("spatial" if spatial else "gate")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the logits to 0."""
        nn.init.zeros_(self.logits)

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel, or every position, rescaled."""
        self.expect(x, self._dims)
        if Axis.POSITION in self.gate.kind.axes:
            logits = interpolate(widen(self.logits), tuple(x.shape[2:]))
            gate = sigmoid(logits).expand(x.shape[0], 1, *x.shape[2:])
        else:
            gate = sigmoid(self.logits).expand(x.shape[0], -1)
        return self.rescale(x, self.gate, gate)


def _check_size(size: tuple[int, ...]) -> tuple[int, ...]:
    """Return the size of the grid, which must be positive integers."""
    if not isinstance(size, tuple) or len(size) not in Static.facts.dims:
        raise OptionError(f"static: size={size!r} is not allowed; it must be 1 to 3 numbers, for example (7, 7).")
    for count in size:
        at_least("static", "size", count, 1)
    return size
