"""The double attention of A2-Nets."""

from torch import Tensor

from regard.attention.heads import to_features, to_tokens
from regard.attention.layers import Linear, hidden_width, softmax
from regard.core import Facts, Features, Paper, Start, Tap
from regard.core.options import at_least


class Double(Features):
    """Gathers n descriptors of the whole image, then gives every position a mixture of them.

    G = A softmax(B) over positions, A with m channels and B with n: n descriptors of m values
    y = x + W (G softmax(V)), V with n channels, its softmax over the n at every position
    A, B, V and W are linear layers at every position

    Chen, Kalantidis, Li, Yan, Feng: A^2-Nets: Double Attention Networks, NeurIPS 2018, sections 3.1 (gather),
    3.2 (distribute) and 3.3 (the block).

    Args:
        channels: c.
        cm: m; None means max(1, c // 4).
        cn: n; None means max(1, c // 4).
        start: see `Features`.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> Double(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in Double(64).parameters())
        4208
    """

    facts = Facts(
        name="double",
        family="spatial",
        act="aggregate",
        paper=Paper(
            title="A^2-Nets: Double Attention Networks",
            authors="Yunpeng Chen and Yannis Kalantidis and Jianshu Li and Shuicheng Yan and Jiashi Feng",
            year=2018,
            venue="NeurIPS",
            identifier="arXiv:1810.11579",
        ),
        departures=(
            "No code of the authors is known: every layer has a bias and starts as PyTorch's, and no batch "
            "normalisation follows the last one.",
        ),
        at="stage",
        parameters=(
            "c*m + m + 2*(c*n + n) + m*c + c where m = max(1, c // 4) if cm is None else cm; "
            "n = max(1, c // 4) if cn is None else cn"
        ),
    )

    def __init__(self, channels: int, *, cm: int | None = None, cn: int | None = None, start: Start = "paper") -> None:
        super().__init__(channels, start=start)
        quarter = hidden_width("double", channels, 4)
        features = quarter if cm is None else at_least("double", "cm", cm, 1)
        maps = quarter if cn is None else at_least("double", "cn", cn, 1)
        self.reduce = Linear(channels, features)
        self.gather_score = Linear(channels, maps)
        self.distribute_score = Linear(channels, maps)
        self.expand = Linear(features, channels)
        self.gather = Tap("spatial", shares="position")
        self.distribute = Tap("spatial", shares="head")

    def forward(self, x: Tensor) -> Tensor:
        """x with a mixture of the image's descriptors added to every position."""
        self.expect(x)
        tokens = to_tokens(x).to(self.reduce.weight.dtype)
        shares = softmax(self.gather_score(tokens), 1)
        gather = self.gather(to_features(shares, x)).flatten(2).to(tokens.dtype)
        descriptors = gather @ self.reduce(tokens)
        choices = softmax(self.distribute_score(tokens), 2)
        distribute = to_tokens(self.distribute(to_features(choices, x))).to(tokens.dtype)
        return self.add(x, to_features(self.expand(distribute @ descriptors), x))
