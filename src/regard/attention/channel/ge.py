"""Gather-excite."""

from collections import OrderedDict
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn, relu

from regard.attention.layers import Norm, Rescaling, bottleneck, convolution, sigmoid
from regard.attention.resampling import average, over_axes
from regard.core import Facts, Paper, Start, Tap, widen
from regard.core.options import at_least
from regard.kernels import squeeze_positions

Extent = Literal[0, 2, 4, 8]
Form = Literal["theta_minus", "theta", "theta_plus"]


class GE(Rescaling):
    """Rescales each value by its channel's features around it, gathered near or far.

    y = x * sigmoid(upsampled(e(g(x)))), the upsampling to the nearest cell, and by form
    theta_minus: g the mean over windows of 2 extent - 1, one at every extent-th position; e nothing; no parameters
    theta: g depthwise 3x3 convolutions of stride 2, one for each doubling of the extent, each normalised, relu between
    theta_plus: the same g, and e(z) = W2 relu(W1 relu(z) + b1) + b2 on every cell
    With extent 0 everything is one cell: g is the mean, or a depthwise convolution over all positions, normalised.

    Hu, Shen, Albanie, Sun, Vedaldi: Gather-Excite: Exploiting Feature Context in Convolutional Neural Networks,
    NeurIPS 2018, section 3 and equation 1. No weights were released; the layers follow the authors' network files.

    Args:
        channels: c.
        extent: 2, 4 or 8 positions, or 0 for all.
        form: `theta_minus`, `theta` or `theta_plus`.
        reduction: r of `theta_plus`; its hidden layer has max(1, c // r) units.
        size: the kernel over all positions, 56, 28, 14 and 7 in the stages of the authors' networks; an x of another
            size is averaged to it.
        dims: position axes of x.
        strict: raise where batch normalisation would see one value, see `Norm`.
        start: see `Features`.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> GE(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in GE(64, form="theta_plus").parameters())
        3844
    """

    facts = Facts(
        name="ge",
        family="channel",
        paper=Paper(
            title="Gather-Excite: Exploiting Feature Context in Convolutional Neural Networks",
            authors="Jie Hu and Li Shen and Samuel Albanie and Gang Sun and Andrea Vedaldi",
            year=2018,
            venue="NeurIPS",
            identifier="arXiv:1810.12348",
        ),
        authors_code="https://github.com/hujie-frank/GENet",
        departures=(
            "A kernel over all positions fits features of one size; those of another are averaged to it.",
            "At the edges a window's mean is over the positions inside; neither paper nor network files define it.",
            "timm's class has no relu before the bottleneck of theta_plus, and cannot be built with parameters.",
            "The hidden width is never under 1, so that a narrow layer still sees its input.",
        ),
        parameters=(
            "0 if form == 'theta_minus' else n*(c*k**dims + 2*c) + (2*c*h + h + c) * (form == 'theta_plus')"
            " where n = {0: 1, 2: 1, 4: 2, 8: 3}[extent]; k = 3 if extent else size; h = max(1, c // reduction)"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        extent: Extent = 0,
        form: Form = "theta_minus",
        reduction: int = 16,
        size: int = 7,
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        at_least("ge", "reduction", reduction, 1)
        at_least("ge", "size", size, 1)
        self.extent, self.form, self.size, self.dims = extent, form, size, dims
        if extent and form != "theta_minus":
            self.amend(exported_from=extent + 1)
        if form != "theta_minus":
            self.gather = _convolutions(channels, extent, size, dims, strict)
        if form == "theta_plus":
            self.reduce, self.expand = bottleneck("ge", channels, reduction, bias=True)
        self.gate = Tap("mixed" if extent else "gate")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: He's initialisation of the convolutions, small weights and zero biases of the rest.

        With `start="identity"` the rest is drawn as linear layers are: what passes small weights hardly reaches g.
        """
        for name, layer in self.named_modules():
            if isinstance(layer, nn.Linear | Norm):
                layer.reset_parameters()
            if name.startswith("gather.conv"):
                nn.init.kaiming_normal_(layer.get_parameter("weight"), nonlinearity="relu")
            if isinstance(layer, nn.Linear) and self.strength is None:
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x with every value rescaled."""
        self.expect(x, (self.dims,))
        logits = widen(self._gather(x))
        if self.form == "theta_plus":
            logits = self.expand.logits(relu(self.reduce(relu(logits).movedim(1, -1)))).movedim(-1, 1)
        if self.extent and self.form != "theta_minus":
            logits = over_axes(logits, tuple(x.shape[2:]), _nearest)
        return self.rescale(x, self.gate, sigmoid(logits))

    def _gather(self, x: Tensor) -> Tensor:
        """Gather a value for each channel and cell; without parameters for each position already."""
        if self.form == "theta_minus" and self.extent == 0:
            (mean,) = squeeze_positions(x, "mean")
            return mean
        if self.form == "theta_minus":
            return over_axes(widen(x), tuple(x.shape[2:]), partial(_windows, self.extent))
        if self.extent == 0:
            x = average(widen(x), (self.size,) * self.dims)
        return self.gather(x)


def _convolutions(channels: int, extent: int, size: int, dims: int, strict: bool) -> nn.Sequential:
    """Normalised depthwise convolutions: one over all positions, or one of stride 2 for each doubling of the extent."""
    conv = convolution("ge", dims)
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for number in range(1, max(extent, 2).bit_length()):
        if number > 1:
            parts[f"relu{number - 1}"] = nn.ReLU()
        parts[f"conv{number}"] = (
            conv(channels, channels, 3, stride=2, padding=1, groups=channels, bias=False)
            if extent
            else conv(channels, channels, size, groups=channels, bias=False)
        )
        parts[f"norm{number}"] = Norm(channels, momentum=0.05, strict=strict)
    return nn.Sequential(parts)


def _windows(extent: int, size: int, _wanted: int, like: Tensor) -> Tensor:
    """(size, size): the share of each position in the mean of the window whose cell each position lies in.

    Mean and upsampling in one: a tensor of the cells would let an export take their number to be 1, or never to be.
    """
    positions = torch.arange(size, device=like.device)
    centres = positions * ((size + extent - 1) // extent) // size * extent
    inside = ((positions[:, None] - centres).abs() < extent).to(like.dtype)
    return inside / inside.sum(0)


def _nearest(cells: int, wanted: int, like: Tensor) -> Tensor:
    """(cells, wanted): 1 where a position takes its value from that cell."""
    sources = torch.arange(wanted, device=like.device) * cells // wanted
    return (torch.arange(cells, device=like.device)[:, None] == sources).to(like.dtype)
