"""Attention pooling over the frames of a clip, or the steps of a sequence."""

from torch import Tensor, tanh

from regard.attention.heads import head_count
from regard.attention.layers import Linear, masked_softmax
from regard.attention.temporal.frames import clear_padding, frame_means
from regard.core import Facts, Features, Input, Paper, Tap
from regard.core.options import at_least


class TemporalPool(Features):
    """Makes one vector of the frames of a clip, each weighted by what it shows itself.

    y = [y_1 ... y_n], y_i = sum over frames of a_it x_it, a_i = softmax over frames of row i of U tanh(W x_t)

    Lin et al.: A Structured Self-attentive Sentence Embedding, ICLR 2017, equations 5 to 7. x_t is a step of a
    sequence (b, c, t), or the mean over a frame of a clip (b, c, t, h, w). Each of n heads has weights of its own, with
    which it adds up its share x_it of the channels. It stands instead of the pooling before a classifier. Clips of
    different lengths are filled up and marked by `mask`: what is not there has the weight 0, whatever it holds, and a
    clip without any frame gives zeros.

    Args:
        channels: c.
        hidden: outputs of W.
        heads: n, which divides c.
        bias: whether W and U have biases; the paper's have none.

    Shape:
        x (b, c, t) or (b, c, t, h, w), mask (b, t) of bool, True where there is a frame; y (b, c). The map is
        (b, n, t).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes, or a mask that does not fit it.

    Example:
        >>> import torch
        >>> TemporalPool(64, heads=4)(torch.randn(2, 64, 8, 7, 7)).shape
        torch.Size([2, 64])
        >>> steps, there = torch.tensor([[[3.0, torch.nan]]]), torch.tensor([[True, False]])
        >>> TemporalPool(1)(steps, there).item()
        3.0
    """

    facts = Facts(
        name="temporal_pool",
        family="temporal",
        act="aggregate",
        paper=Paper(
            title="A Structured Self-attentive Sentence Embedding",
            authors=(
                "Zhouhan Lin and Minwei Feng and Cicero Nogueira dos Santos and Mo Yu and Bing Xiang and Bowen Zhou "
                "and Yoshua Bengio"
            ),
            year=2017,
            venue="ICLR",
            identifier="arXiv:1703.03130",
        ),
        departures=(
            "Each head adds up its own share of the channels, so that y has c of them; in the paper each adds up all.",
            "The penalty that keeps heads apart is left to the loss.",
        ),
        dims=(1, 3),
        at="head",
        returns="vector",
        inputs=(Input(name="mask", shape="(b, t) of bool", optional=True),),
        parameters="hidden*(c + bias) + heads*(hidden + bias)",
    )

    def __init__(self, channels: int, *, hidden: int = 128, heads: int = 1, bias: bool = False) -> None:
        super().__init__(channels)
        heads = head_count("temporal_pool", heads, 1, channels)
        self.hidden = Linear(channels, at_least("temporal_pool", "hidden", hidden, 1), bias=bias)
        self.score = Linear(hidden, heads, bias=bias)
        self.frame = Tap("frame", shares="frame")

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The weighted sum of the frames."""
        self.expect(x)
        frames = frame_means(clear_padding("temporal_pool", x, mask)).transpose(1, 2)
        logits = self.score.logits(tanh(self.hidden(frames))).transpose(1, 2)
        weights = self.frame(masked_softmax(logits, None if mask is None else mask.unsqueeze(1), 2))
        shares = frames.unflatten(2, (weights.shape[1], -1)).transpose(1, 2)
        return (weights.to(shares.dtype).unsqueeze(2) @ shares).flatten(1).to(x.dtype)
