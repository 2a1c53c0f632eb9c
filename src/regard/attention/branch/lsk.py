"""The large selective kernel of LSKNet."""

import torch
from torch import Tensor

from regard.attention.large_kernels import LargeKernelGate, decompose
from regard.attention.layers import convolution, sigmoid
from regard.attention.strips import depthwise_convolution
from regard.core import Facts, Paper, Start, Tap
from regard.kernels import select_branches, squeeze_channels


class LSK(LargeKernelGate):
    """Rescales each value by a small and a large receptive field, between which every position chooses.

    u1 = reduce1(near(x)), u2 = reduce2(far(near(x))), near a depthwise convolution of kernel 2d - 1, far one of
    kernel K / d (rounded up) and dilation d, reduce1 and reduce2 1x1 convolutions to max(1, c // 2) channels
    s = sigmoid(squeeze([mean, max])), both over all channels of [u1, u2], squeeze a 7x7 convolution to 2 maps
    y = x * expand(s1 u1 + s2 u2), expand a 1x1 convolution to c channels

    Li, Hou, Zheng, Cheng, Yang, Li: Large Selective Kernel Network for Remote Sensing Object Detection, ICCV 2023,
    equations 2 to 8. With `projections` it is the attention layer of the paper's blocks, see `lka`.

    Args:
        channels: c.
        kernel_size: K; K / d rounded up must be odd.
        dilation: d.
        projections: the layer of the published network around the gate; it then does more than rescale x.
        dims: position axes of x.
        start: see `Features`; it tempers the product with x.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same. The map of the choice is (b, 2, 1, ...).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> LSK(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in LSK(64).parameters())
        11334
    """

    facts = Facts(
        name="lsk",
        family="branch",
        paper=Paper(
            title="Large Selective Kernel Network for Remote Sensing Object Detection",
            authors="Yuxuan Li and Qibin Hou and Zhaohui Zheng and Ming-Ming Cheng and Jian Yang and Xiang Li",
            year=2023,
            venue="ICCV",
            identifier="arXiv:2303.09030",
        ),
        authors_code="https://github.com/zcablii/LSKNet",
        departures=(
            "The default is the gate alone; projections=True adds the two 1x1 convolutions and the shortcut that "
            "surround it in the published network.",
            "The branches never have less than one channel.",
            "Channels that tie for the maximum share its gradient, which is deterministic on CUDA; the authors' code "
            "gives it to one of them.",
        ),
        parameters=(
            "c*((2*dilation - 1)**dims + ceil(kernel_size / dilation)**dims + 2) + 2*(c*h + h) + 4*7**dims + 2"
            " + c*h + c + projections*2*(c*c + c) where h = max(1, c // 2)"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        kernel_size: int = 21,
        dilation: int = 3,
        projections: bool = False,
        dims: int = 2,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, dims=dims, start=start)
        conv, hidden = convolution("lsk", dims), max(1, channels // 2)
        dense, dilated = decompose("lsk", kernel_size, dilation, rounded_up=True)
        self.near = depthwise_convolution("lsk", dims, channels, dense)
        self.far = depthwise_convolution("lsk", dims, channels, dilated, dilation=dilation)
        self.reduce_near = conv(channels, hidden, 1)
        self.reduce_far = conv(channels, hidden, 1)
        self.squeeze = conv(2, 2, 7, padding=3)
        self.expand = conv(hidden, channels, 1)
        self.select = Tap("branch", neutral=0.5)
        self.surround(projections)

    def score(self, x: Tensor) -> Tensor:
        """The score of each value, of the shape of x."""
        near = self.near(x)
        branches = self.reduce_near(near), self.reduce_far(self.far(near))
        statistics = torch.cat(tuple(squeeze_channels(torch.cat(branches, 1), "mean", "max")), 1)
        chosen = sigmoid(self.squeeze(statistics))
        return self.expand(select_branches(branches, self.select(chosen.unsqueeze(2))))
