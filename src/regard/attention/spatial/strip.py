"""Strip pooling, and the strip attention made from it."""

from typing import Literal

import torch
from torch import Tensor, nn, relu

from regard.attention.axes import axis_means, laid_along
from regard.attention.layers import Conv1d, Norm, Rescaling, convolution, sigmoid
from regard.core import Facts, Paper, Start, Tap, widen
from regard.core.options import odd

Form = Literal["full", "depthwise", "plain"]


class Strip(Rescaling):
    """Rescales each value by the means of the strips that cross at its position.

    y = x * sigmoid(mix(relu(p1 + p2 + ...))), p_i = norm(conv_i(m_i)): m_i the profile along axis i, the means over
    all other axes, conv_i a convolution of kernel k along it, mix a 1x1 convolution.

    Hou, Zhang, Cheng, Feng: Strip Pooling: Rethinking Spatial Pooling for Scene Parsing, CVPR 2020, section 3.1.
    The paper's text has no normalisation; the authors' code has it. The `strip` of timm has no paper of its own: it is
    strip pooling with a depthwise convolution for each profile and nothing more (`depthwise`), or without
    (`plain`): y = x * sigmoid(p1 + p2).

    Args:
        channels: c.
        kernel_size: k, odd.
        form: `full` (paper), `depthwise` or `plain`.
        bias: whether the convolutions along the strips have a bias, as neither the authors' nor timm's have by default;
            mix always has one.
        dims: position axes of x, at least 2: a strip needs an axis to run along and one to look along.
        strict: raise where batch normalisation would see one value, see `Norm`.
        start: see `Features`.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> Strip(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in Strip(64, form="depthwise").parameters())
        384
    """

    facts = Facts(
        name="strip",
        family="spatial",
        paper=Paper(
            title="Strip Pooling: Rethinking Spatial Pooling for Scene Parsing",
            authors="Qibin Hou and Li Zhang and Ming-Ming Cheng and Jiashi Feng",
            year=2020,
            venue="CVPR",
            identifier="arXiv:2003.13328",
        ),
        authors_code="https://github.com/houqb/SPNet",
        departures=(
            "A profile is normalised as in the authors' code; the paper's text has no normalisation.",
            "In training a profile is normalised before it is spread over the image, as in the authors' code.",
            "It follows the last normalisation of a residual branch; the authors put it before the last 1x1 "
            "convolution.",
            "The module always keeps the number of channels; the authors' block can change it.",
        ),
        dims=(2, 3),
        parameters=(
            "dims*(c*c*kernel_size + bias*c + 2*c) + c*c + c if form == 'full' else"
            " dims*c*(kernel_size + bias) if form == 'depthwise' else 0"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        kernel_size: int = 3,
        form: Form = "full",
        bias: bool = False,
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        odd("strip", "kernel_size", kernel_size)
        self.dims, self.form = dims, form
        groups = 1 if form == "full" else channels
        self.profiles = nn.ModuleList(
            nn.Identity()
            if form == "plain"
            else Conv1d(channels, channels, kernel_size, padding=kernel_size // 2, groups=groups, bias=bias)
            for _ in range(dims)
        )
        self.norms = nn.ModuleList(
            Norm(channels, strict=strict) if form == "full" else nn.Identity() for _ in range(dims)
        )
        self.mix = convolution("strip", dims)(channels, channels, 1) if form == "full" else None
        self.gate = Tap("mixed")

    def forward(self, x: Tensor) -> Tensor:
        """x with every value rescaled."""
        self.expect(x, (self.dims,))
        logits = torch.zeros((), device=x.device)
        for axis, (profile, layer, norm) in enumerate(zip(axis_means(x), self.profiles, self.norms, strict=True)):
            logits = logits + laid_along(widen(norm(layer(profile))), axis, self.dims)
        if self.mix is not None:
            logits = self.mix(relu(logits))
        return self.rescale(x, self.gate, sigmoid(logits))
