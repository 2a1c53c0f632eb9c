"""Efficient channel attention."""

import math
from typing import ClassVar

from torch import Tensor, nn, sigmoid

from regard.core.facts import Facts, Paper
from regard.core.mechanism import Mechanism, Start
from regard.core.options import odd, positive
from regard.core.precision import widen
from regard.core.tap import Tap
from regard.kernels import apply_gate, squeeze_positions


def adaptive_kernel_size(channels: int, gamma: float = 2, beta: float = 1) -> int:
    """The odd integer nearest to |log2(channels) / gamma + beta / gamma|, the larger one of two.

    >>> [adaptive_kernel_size(c) for c in (16, 64, 128, 256, 512, 1024, 2048)]
    [3, 3, 5, 5, 5, 5, 7]
    """
    exact = abs((math.log2(channels) + positive("eca", "beta", beta)) / positive("eca", "gamma", gamma))
    return 2 * math.floor(exact / 2) + 1


class ECA(Mechanism):
    """Weighs each channel by the means of its k nearest channels.

    y = x * sigmoid(conv_k(mean(x))), the mean taken over positions, the convolution along the channels, without bias
    and padded with zeros.

    Wang, Wu, Zhu, Li, Zuo, Hu: ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks,
    CVPR 2020, section 3.2. The released networks do not follow the rule for k: they use hand-set sizes by stage
    (3, 5, 5, 7 in ECA-ResNet-50), so their weights need an explicit `kernel_size`.

    Args:
        channels: c.
        kernel_size: k, odd; None takes the odd integer nearest to |log2(c) / gamma + beta / gamma|.
        gamma: of the rule for k; not used where `kernel_size` is given.
        beta: of the rule for k, the paper's b; not used where `kernel_size` is given.
        start: see `Mechanism`.

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

    facts: ClassVar[Facts] = Facts(
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
        parameters="kernel_size or 2*floor(abs((log2(c) + beta) / gamma) / 2) + 1",
    )

    def __init__(
        self,
        channels: int,
        *,
        kernel_size: int | None = None,
        gamma: float = 2,
        beta: float = 1,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        size = adaptive_kernel_size(channels, gamma, beta)
        if kernel_size is not None:
            size = odd("eca", "kernel_size", kernel_size)
        self.conv = nn.Conv1d(1, 1, size, padding=size // 2, bias=False)
        self.gate = Tap("gate")

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel weighed."""
        self.expect(x)
        (mean,) = squeeze_positions(x, "mean")
        logits = self.conv(mean.to(self.conv.weight.dtype).unsqueeze(1)).squeeze(1)
        gate = self.temper(sigmoid(widen(logits)))
        return apply_gate(x, self.gate(gate.reshape(*gate.shape, *(1,) * (x.ndim - 2))))
