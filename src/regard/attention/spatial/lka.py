"""Large kernel attention."""

from torch import Tensor

from regard.attention.large_kernels import LargeKernelGate, decompose
from regard.attention.layers import convolution
from regard.attention.strips import depthwise_convolution
from regard.core import Facts, Paper, Start


class LKA(LargeKernelGate):
    """Rescales each value by a linear function of a large surrounding of its position.

    y = x * mix(far(near(x))), near a depthwise convolution of kernel 2d - 1, far one of kernel K / d (rounded up) and
    dilation d, mix a 1x1 convolution; together they see K positions on each axis. There is no sigmoid.

    Guo, Lu, Liu, Cheng, Hu: Visual Attention Network, Computational Visual Media 2023. With
    `projections` it is the attention layer of the paper's blocks: y = x + leave(a * u), u = gelu(enter(x)), the
    map a made from u instead of x, enter and leave 1x1 convolutions.

    Args:
        channels: c.
        kernel_size: K; K / d rounded up must be odd.
        dilation: d.
        projections: the layer of the published network around the gate; it then does more than rescale x.
        dims: position axes of x.
        start: see `Features`.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> LKA(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in LKA(64).parameters())
        9024
    """

    facts = Facts(
        name="lka",
        family="spatial",
        paper=Paper(
            title="Visual Attention Network",
            authors="Meng-Hao Guo and Cheng-Ze Lu and Zheng-Ning Liu and Ming-Ming Cheng and Shi-Min Hu",
            year=2023,
            venue="Computational Visual Media",
            published="journal",
            identifier="arXiv:2202.09741",
        ),
        authors_code="https://github.com/Visual-Attention-Network/VAN-Classification",
        departures=(
            "The default is the gate alone; projections=True adds the two 1x1 convolutions and the shortcut that "
            "surround it in the published network.",
        ),
        parameters=(
            "c*((2*dilation - 1)**dims + ceil(kernel_size / dilation)**dims + c + 3) + projections*2*(c*c + c)"
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
        dense, dilated = decompose("lka", kernel_size, dilation, rounded_up=True)
        self.near = depthwise_convolution("lka", dims, channels, dense)
        self.far = depthwise_convolution("lka", dims, channels, dilated, dilation=dilation)
        self.mix = convolution("lka", dims)(channels, channels, 1)
        self.surround(projections)

    def score(self, x: Tensor) -> Tensor:
        """The score of each value, of the shape of x."""
        return self.mix(self.far(self.near(x)))
