"""Efficient channel attention."""

import math
from typing import Literal

from torch import Tensor, relu

from regard.attention.layers import Conv1d, Rescaling, in_dtype_of, sigmoid
from regard.core import Facts, Paper, Start, Tap
from regard.core.options import at_least, odd, positive
from regard.kernels import squeeze_positions

Padding = Literal["zeros", "circular"]


def adaptive_kernel_size(channels: int, gamma: float = 2, beta: float = 1) -> int:
    """The odd integer nearest to |log2(channels) / gamma + beta / gamma|, the larger one of two.

    >>> [adaptive_kernel_size(c) for c in (16, 64, 128, 256, 512, 1024, 2048)]
    [3, 3, 5, 5, 5, 5, 7]
    """
    exact = abs((math.log2(channels) + positive("eca", "beta", beta)) / positive("eca", "gamma", gamma))
    return 2 * math.floor(exact / 2) + 1


class ECA(Rescaling):
    """Rescales each channel by the means of its k nearest channels.

    y = x * sigmoid(conv_k(mean(x))), the mean taken over positions, the convolution along the channels, without bias
    and padded with zeros.

    Wang, Wu, Zhu, Li, Zuo, Hu: ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks,
    CVPR 2020, section 3.2. The released networks do not follow the rule for k: they use hand-set sizes by stage
    (3, 5, 5, 7 in ECA-ResNet-50), so their weights need an explicit `kernel_size`.

    Two forms come from timm and not from the paper: `padding="circular"` makes the last channel the first one's
    neighbour, and `hidden` puts a layer between, conv_k(relu(a mean(x) + d)), a and d of that many units, both with
    biases.

    Args:
        channels: c.
        kernel_size: k, odd; None takes the odd integer nearest to |log2(c) / gamma + beta / gamma|.
        gamma: of the rule for k; not used where `kernel_size` is given.
        beta: of the rule for k, the paper's b; not used where `kernel_size` is given.
        padding: `zeros`, or `circular`, the values beyond the first and the last channel.
        hidden: units of a layer before the convolution; None means none, as published.
        start: see `Features`.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> ECA(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in ECA(64, kernel_size=7).parameters())
        7
    """

    facts = Facts(
        name="eca",
        family="channel",
        paper=Paper(
            title="ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks",
            authors="Qilong Wang and Banggu Wu and Pengfei Zhu and Peihua Li and Wangmeng Zuo and Qinghua Hu",
            year=2020,
            venue="CVPR",
            identifier="arXiv:1910.03151",
        ),
        authors_code="https://github.com/BangguWu/ECANet",
        departures=(
            "The kernel follows the paper's rule; the authors' networks were trained with sizes set by hand, which "
            "kernel_size gives.",
        ),
        parameters=(
            "(h * (k + 2) + 1 if h else k) where h = hidden or 0;"
            " k = kernel_size or 2*floor(abs((log2(c) + beta) / gamma) / 2) + 1"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        kernel_size: int | None = None,
        gamma: float = 2,
        beta: float = 1,
        padding: Padding = "zeros",
        hidden: int | None = None,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        size = adaptive_kernel_size(channels, gamma, beta)
        if kernel_size is not None:
            size = odd("eca", "kernel_size", kernel_size)
        self.padding, self.hidden, self.reach = padding, hidden, size // 2
        beyond = self.reach if padding == "zeros" else 0
        if hidden is None:
            self.conv = Conv1d(1, 1, size, padding=beyond, bias=False)
        else:
            self.spread = Conv1d(1, at_least("eca", "hidden", hidden, 1), 1)
            self.join = Conv1d(hidden, 1, size, padding=beyond)
        self.gate = Tap("gate")

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel rescaled."""
        self.expect(x)
        squeezed = squeeze_positions(x, "mean")
        (mean,) = squeezed
        return self.rescale(squeezed, self.gate, sigmoid(self._logits(mean.unsqueeze(1)).squeeze(1)))

    def _logits(self, row: Tensor) -> Tensor:
        """The logits (b, 1, c) of a row of means."""
        if self.hidden is None:
            return self.conv(self._pad(in_dtype_of(self.conv.weight, row)))
        return self.join(self._pad(relu(self.spread(row))))

    def _pad(self, row: Tensor) -> Tensor:
        """Continue the row at both ends by its own values if `circular`, more than once where it is short."""
        if self.padding == "zeros" or self.reach == 0:
            return row
        turns = -(-self.reach // self.channels)
        return row.repeat(1, 1, 2 * turns + 1).narrow(
            2, turns * self.channels - self.reach, self.channels + 2 * self.reach
        )
