"""Group normalisation in at least float32 whose groups may differ in size and whose positions may count or not."""

import torch
from torch import Tensor, nn

from regard.core.precision import widen

EPS = 1e-5


class PartNorm(nn.Module):
    """Normalises each part of the channels of (b, c, ...) by its own mean and variance over channels and positions.

    Args:
        sizes: the number of channels of each part; where all are alike it is group normalisation.

    Shape:
        x (b, c, ...), c the sum of the sizes; y the same, in at least float32. A part of a single value gives its bias.

    Example:
        >>> PartNorm((1, 2))(torch.tensor([[[5.0], [1.0], [3.0]]])).round().flatten().tolist()
        [0.0, -1.0, 1.0]
    """

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = sizes
        self.weight = nn.Parameter(torch.empty(sum(sizes)))
        self.bias = nn.Parameter(torch.empty(sum(sizes)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights of one, biases of zero."""
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, counts: Tensor | None = None) -> Tensor:
        """The normalised features.

        Args:
            x: features.
            counts: 1 for each position that counts, 0 for those that do not, in x's shape without batch and channels;
                the latter become 0.
        """
        weights = widen(x.new_ones(()) if counts is None else counts.flatten())
        parts = [_standardise(part, weights) for part in widen(x).flatten(2).split(list(self.sizes), 1)]
        y = torch.cat(parts, 1) * widen(self.weight)[:, None] + widen(self.bias)[:, None]
        return (y * weights).reshape(x.shape)


def _standardise(x: Tensor, weights: Tensor) -> Tensor:
    """Standardise (b, c, n) by the weighted mean and standard deviation of the positions."""
    share = weights.mean()
    centred = x - (x * weights).mean((1, 2), keepdim=True) / share
    return centred * torch.rsqrt((centred.square() * weights).mean((1, 2), keepdim=True) / share + EPS)
