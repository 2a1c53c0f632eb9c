"""Mixed local channel attention."""

from torch import Tensor

from regard.attention.channel.eca import adaptive_kernel_size
from regard.attention.layers import Conv1d, Rescaling, sigmoid
from regard.attention.resampling import average
from regard.core import Facts, OptionError, Paper, Start, Tap, widen
from regard.core.options import at_least, odd


class MLCA(Rescaling):
    """Rescales each channel in each part of the image by its nearest channels there and in the whole image.

    l = the means of x in the cells of a grid, 5x5 for images; g = the mean of l over the cells
    y = x * up(w sigmoid(conv_k(l)) + (1 - w) sigmoid(conv_k'(g))), up to the size of x

    Both convolutions go along the channels, without bias and padded with zeros: of l along the channels of all cells
    one after the other, so that the last channels of a cell and the first ones of the next see one another. `up` is
    adaptive average pooling, which repeats cells and averages where they meet.

    Wan, Lu, Shen, Xu, Lang, Ren: Mixed local channel attention for object detection, Engineering Applications of
    Artificial Intelligence 2023, section 3.

    Args:
        channels: c.
        grid: cells along each axis.
        local_weight: w, from 0 to 1.
        kernel_size: k of both convolutions, odd; None takes the rule of `eca`, the odd integer nearest to
            |log2(c) / 2 + 1 / 2|.
        start: see `Features`.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y and the map the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> MLCA(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in MLCA(64).parameters())
        6
    """

    facts = Facts(
        name="mlca",
        family="mixed",
        paper=Paper(
            title="Mixed local channel attention for object detection",
            authors="Dahang Wan and Rongsheng Lu and Siyuan Shen and Ting Xu and Xianli Lang and Zhijie Ren",
            year=2023,
            venue="Engineering Applications of Artificial Intelligence",
            published="journal",
            identifier="doi:10.1016/j.engappai.2023.106442",
        ),
        authors_code="https://github.com/wandahangFY/MLCA",
        parameters="2*(kernel_size or 2*floor((log2(c) + 1) / 4) + 1)",
    )

    def __init__(
        self,
        channels: int,
        *,
        grid: int = 5,
        local_weight: float = 0.5,
        kernel_size: int | None = None,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        self.grid = at_least("mlca", "grid", grid, 1)
        if isinstance(local_weight, bool) or not isinstance(local_weight, int | float) or not 0 <= local_weight <= 1:
            raise OptionError(f"mlca: local_weight={local_weight!r} is not allowed; it must be a number from 0 to 1.")
        self.local_weight = local_weight
        size = adaptive_kernel_size(channels) if kernel_size is None else odd("mlca", "kernel_size", kernel_size)
        self.local_conv = Conv1d(1, 1, size, padding=size // 2, bias=False)
        self.global_conv = Conv1d(1, 1, size, padding=size // 2, bias=False)
        self.gate = Tap("mixed")

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel of every part rescaled."""
        self.expect(x)
        dims = x.ndim - 2
        cells = average(widen(x), (self.grid,) * dims).flatten(2).transpose(1, 2)
        local = self.local_conv(cells.flatten(1).unsqueeze(1)).reshape(cells.shape)
        whole = self.global_conv(cells.mean(1, keepdim=True))
        mixed = self.local_weight * sigmoid(local) + (1 - self.local_weight) * sigmoid(whole)
        gate = mixed.transpose(1, 2).reshape(-1, self.channels, *(self.grid,) * dims)
        return self.rescale(x, self.gate, average(gate, tuple(x.shape[2:])))
