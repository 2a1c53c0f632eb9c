"""Large separable kernel attention."""

from torch import Tensor, nn

from regard.attention.large_kernels import LargeKernelGate, decompose
from regard.attention.layers import convolution
from regard.attention.strips import strip_convolution
from regard.core import Facts, Paper, Start
from regard.core.options import at_least


class LSKA(LargeKernelGate):
    """Rescales each value by a linear function of the axes through its position, one axis after the other.

    y = x * mix(far(near(x))): near is a depthwise convolution of kernel 2d - 1 along each axis, the last axis first,
    far one of kernel K / d (rounded down) and dilation d along each, mix a 1x1 convolution. There is no sigmoid.

    Lau, Po, Rehman: Large Separable Kernel Attention: Rethinking the Large Kernel Attention Design in CNN, Expert
    Systems with Applications 2024, equations 7 to 10. It is `lka` with the kernels of two axes replaced by pairs of
    one; the cost grows with K and not with its square. The paper's kernel sizes are 7, 11, 23, 35 and 53.

    Args:
        channels: c.
        kernel_size: K; K / d rounded down must be odd.
        dilation: d; None is the paper's: 2 for a K under 23, else 3.
        projections: the layer of the published network around the gate, as in `lka`.
        dims: position axes of x.
        start: see `Features`.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> LSKA(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in LSKA(64).parameters())
        5952
    """

    facts = Facts(
        name="lska",
        family="spatial",
        paper=Paper(
            title="Large Separable Kernel Attention: Rethinking the Large Kernel Attention Design in CNN",
            authors="Kin Wai Lau and Lai-Man Po and Yasar Abbas Ur Rehman",
            year=2024,
            venue="Expert Systems with Applications",
            published="journal",
            identifier="arXiv:2309.01439",
        ),
        authors_code="https://github.com/StevenLauHKHK/Large-Separable-Kernel-Attention",
        departures=(
            "The default is the gate alone; projections=True adds the two 1x1 convolutions and the shortcut that "
            "surround it in the published network.",
        ),
        parameters=(
            "c*(dims*(2*d - 1 + max(1, kernel_size // d) + 2) + c + 1) + projections*2*(c*c + c)"
            " where d = (2 if kernel_size < 23 else 3) if dilation is None else dilation"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        kernel_size: int = 23,
        dilation: int | None = None,
        projections: bool = False,
        dims: int = 2,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, dims=dims, start=start)
        conv = convolution("lska", dims)
        at_least("lska", "kernel_size", kernel_size, 1)
        spread = dilation if dilation is not None else 2 if kernel_size < 23 else 3
        dense, dilated = decompose("lska", kernel_size, spread, rounded_up=False)
        axes = range(dims - 1, -1, -1)
        self.near = nn.Sequential(*(strip_convolution("lska", dims, axis, channels, dense) for axis in axes))
        self.far = nn.Sequential(
            *(strip_convolution("lska", dims, axis, channels, dilated, dilation=spread) for axis in axes)
        )
        self.mix = conv(channels, channels, 1)
        self.surround(projections)

    def score(self, x: Tensor) -> Tensor:
        """The score of each value, of the shape of x."""
        return self.mix(self.far(self.near(x)))
