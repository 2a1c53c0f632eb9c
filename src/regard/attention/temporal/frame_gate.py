"""A gate for the frames of a clip, or the steps of a sequence."""

from torch import Tensor, nn

from regard.attention.layers import Conv1d, Rescaling, sigmoid
from regard.attention.temporal.frames import clear_padding, frame_means
from regard.core import Facts, Input, Paper, Start, Tap
from regard.core.options import flag, odd


class FrameGate(Rescaling):
    """Rescales each frame of a clip by the means of the frames around it.

    y = x * (1 + sigmoid(conv_k(mean(x)))), the mean taken over the positions of each frame, the convolution along time
    from all channels to one; without `residual` y = x * sigmoid(conv_k(mean(x)))

    Shi, Zhang, Cheng, Lu: Skeleton-Based Action Recognition With Multi-Stream Adaptive Graph Convolutional Networks,
    IEEE Transactions on Image Processing 2020, the temporal attention module, where the positions of a
    frame are the joints of a skeleton. Clips of different lengths are padded and marked by `mask`: the convolution
    reads zeros there as beyond the last frame, and what is not there is 0 in y, whatever it held.

    Args:
        channels: c.
        kernel_size: k, odd.
        residual: whether 1 is added to the sigmoid.
        start: see `Features`.

    Shape:
        x (b, c, t) or (b, c, t, h, w), mask (b, t) of bool, True where there is a frame; y like x. The map is
        (b, 1, t), with further axes of size 1 for a clip.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes, or a mask that does not fit it.

    Example:
        >>> import torch
        >>> FrameGate(64)(torch.randn(2, 64, 30, 7, 7)).shape
        torch.Size([2, 64, 30, 7, 7])
        >>> clip, there = torch.tensor([[[3.0, torch.nan]]]), torch.tensor([[True, False]])
        >>> FrameGate(1)(clip, there).tolist()
        [[[4.5, 0.0]]]
    """

    facts = Facts(
        name="frame_gate",
        family="temporal",
        paper=Paper(
            title=("Skeleton-Based Action Recognition With Multi-Stream Adaptive Graph Convolutional Networks"),
            authors="Lei Shi and Yifan Zhang and Jian Cheng and Hanqing Lu",
            year=2020,
            venue="IEEE Transactions on Image Processing",
            identifier="arXiv:1912.06971",
            published="journal",
        ),
        authors_code="https://github.com/lshiwjx/2s-AGCN",
        departures=(
            "The positions of a frame are those of an image; in the paper they are the joints of a skeleton.",
            "It stands alone; the paper has a gate for joints before it and one for channels behind it.",
            "The paper has no masks.",
        ),
        dims=(1, 3),
        inputs=(Input(name="mask", shape="(b, t) of bool", optional=True),),
        parameters="c*kernel_size + 1",
    )

    def __init__(self, channels: int, *, kernel_size: int = 9, residual: bool = True, start: Start = "paper") -> None:
        super().__init__(channels, start=start)
        odd("frame_gate", "kernel_size", kernel_size)
        self.offset = float(flag("frame_gate", "residual", residual))
        self.conv = Conv1d(channels, 1, kernel_size, padding=kernel_size // 2)
        self.frame = Tap("frame", neutral=1.0, low=self.offset, high=1 + self.offset)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Gives every frame the same weight at first, as in the authors' code."""
        nn.init.zeros_(self.conv.weight)
        assert self.conv.bias is not None
        nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x with every frame rescaled."""
        self.expect(x)
        x = clear_padding("frame_gate", x, mask)
        return self.rescale(x, self.frame, self.offset + sigmoid(self.conv(frame_means(x))))
