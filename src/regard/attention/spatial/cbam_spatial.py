"""The spatial half of the convolutional block attention module."""

import torch
from torch import Tensor, nn

from regard.attention.layers import Norm, Rescaling, convolution, sigmoid
from regard.core import Facts, Paper, Start, Tap
from regard.core.options import odd
from regard.kernels import Held, squeeze_channels


class CBAMSpatial(Rescaling):
    """Rescales each position by the largest and the mean channel around it.

    y = x * sigmoid(norm(conv([max(x), mean(x)]))), both taken over channels, conv k x k without bias.

    Woo, Park, Lee, Kweon: CBAM: Convolutional Block Attention Module, ECCV 2018, equation 3. The paper writes
    [mean, max] and no normalisation; the authors' code, whose weights exist, has the maximum first and a batch
    normalisation of momentum 0.01 whose weight starts at 0, so that the map starts at exactly 1/2.

    Args:
        channels: c (only checked: no parameter depends on it).
        kernel_size: k, odd.
        dims: position axes of x.
        strict: raise where batch normalisation would see one value, see `Norm`.
        start: see `Features`.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> CBAMSpatial(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in CBAMSpatial(64).parameters())
        100
    """

    facts = Facts(
        name="cbam_spatial",
        family="spatial",
        paper=Paper(
            title="CBAM: Convolutional Block Attention Module",
            authors="Sanghyun Woo and Jongchan Park and Joon-Young Lee and In So Kweon",
            year=2018,
            venue="ECCV",
            identifier="arXiv:1807.06521",
        ),
        authors_code="https://github.com/Jongchan/attention-module",
        departures=(
            "As in the authors' code and unlike the paper's equation, the maximum comes first and the convolution is "
            "normalised.",
            "Channels that tie for the maximum share its gradient, which is deterministic on CUDA; the authors' code "
            "gives it to one of them.",
        ),
        parameters="2*kernel_size**dims + 2",
    )

    def __init__(
        self,
        channels: int,
        *,
        kernel_size: int = 7,
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        odd("cbam_spatial", "kernel_size", kernel_size)
        self.dims = dims
        self.conv = convolution("cbam_spatial", dims)(2, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.norm = Norm(1, momentum=0.01, strict=strict)
        self.gate = Tap("spatial")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: He's initialisation of the convolution, and a normalisation that gives 0.

        With `start="identity"` the normalisation starts with weight 1, or the convolution would have no gradient.
        """
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        self.norm.reset_parameters()
        if self.strength is None:
            nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x with every position rescaled."""
        self.expect(x, (self.dims,))
        return self.attend(x)

    def attend(self, x: Tensor | Held) -> Tensor:
        """x with every position rescaled; x may be held, see `hold_gate`."""
        squeezed = squeeze_channels(x, "max", "mean")
        statistics = torch.cat(tuple(squeezed), 1)
        return self.rescale(squeezed, self.gate, sigmoid(self.norm(self.conv(statistics))))
