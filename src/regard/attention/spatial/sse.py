"""Channel squeeze and spatial excitation, the spatial half of scSE."""

from torch import Tensor

from regard.attention.layers import Conv1d, Rescaling, sigmoid
from regard.core import Facts, Paper, Start, Tap
from regard.kernels import Squeezed, apply_gate, sum_channels


class SSE(Rescaling):
    """Rescales each position by a weighted sum of its channels.

    y = x * sigmoid(w x + b), w x the 1x1 convolution of x to one channel.

    Roy, Navab, Wachinger: Concurrent Spatial and Channel Squeeze & Excitation in Fully Convolutional Networks,
    MICCAI 2018, equation 3. The paper leaves the bias out; the authors' code has it. The convolution runs over the
    positions laid in a row, so one module serves sound, images and clips.

    Args:
        channels: c.
        bias: whether the convolution has a bias.
        start: see `Features`.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> SSE(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in SSE(64).parameters())
        65
    """

    facts = Facts(
        name="sse",
        family="spatial",
        paper=Paper(
            title="Concurrent Spatial and Channel Squeeze & Excitation in Fully Convolutional Networks",
            authors="Abhijit Guha Roy and Nassir Navab and Christian Wachinger",
            year=2018,
            venue="MICCAI",
            identifier="arXiv:1803.02579",
        ),
        authors_code="https://github.com/ai-med/squeeze_and_excitation",
        departures=("The weight is stored for one position axis, (1, c, 1), and serves any number of them.",),
        parameters="c + bias",
    )

    def __init__(self, channels: int, *, bias: bool = True, start: Start = "paper") -> None:
        super().__init__(channels, start=start)
        self.score = Conv1d(channels, 1, 1, bias=bias)
        self.gate = Tap("spatial")

    def forward(self, x: Tensor) -> Tensor:
        """x with every position rescaled."""
        self.expect(x)
        scored = self.score_positions(x)
        return apply_gate(scored, self.weights(scored))

    def score_positions(self, x: Tensor | Squeezed) -> Squeezed:
        """The sum of each position's channels, (b, 1, ...), without the bias."""
        return sum_channels(x, self.score.weight.flatten())

    def weights(self, scored: Squeezed) -> Tensor:
        """The map of features whose scores are given, (b, 1, ...), as it is applied."""
        logits = scored[0] if self.score.bias is None else scored[0] + self.score.bias
        return self.show(scored, self.gate, sigmoid(logits))
