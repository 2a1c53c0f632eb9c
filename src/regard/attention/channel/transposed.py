"""The transposed attention of Restormer, of channels to channels."""

import torch
from torch import Tensor, nn

from regard.attention.heads import head_count
from regard.attention.layers import convolution, softmax
from regard.core import Facts, Features, Paper, Start, Tap, widen
from regard.core.products import wide_product

PER_HEAD = 48
"""The channels of a head in the four levels of Restormer's encoder."""

SMALLEST = 1e-12
"""The least length of a row that counts: shorter ones are zero but for roundings."""


class Transposed(Features):
    """Adds to each channel a mean of the channels that resemble it, at a cost linear in the positions.

    q, k, v = depthwise 3x3 convolutions of 1x1 convolutions of x;  a = softmax(t q k'), q and k of length 1
    y = x + W (a v), in n heads, q and k being a row of all positions for each channel, t one number for each head

    Zamir, Arora, Khan, Hayat, Khan, Yang: Restormer: Efficient Transformer for High-Resolution Image Restoration,
    CVPR 2022, section 3.1 and equation 1 (multi-Dconv head transposed attention). The authors' module leaves the sum
    with x to the block around it, which normalises the x that enters first; with `residual=False` so does this one.

    Args:
        channels: c.
        heads: n, a divisor of c; None means 1 for 48 channels, 2 for 96 and so on, as far as it divides c
            (the last level of Restormer's decoder and its refinement have 1 for 96).
        bias: whether the convolutions have a bias.
        residual: whether x is added.
        dims: position axes of x.
        start: see `Features`.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> Transposed(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in Transposed(48).parameters())
        10513
    """

    facts = Facts(
        name="transposed",
        family="channel",
        act="aggregate",
        paper=Paper(
            title="Restormer: Efficient Transformer for High-Resolution Image Restoration",
            authors=(
                "Syed Waqas Zamir and Aditya Arora and Salman Khan and Munawar Hayat and Fahad Shahbaz Khan and "
                "Ming-Hsuan Yang"
            ),
            year=2022,
            venue="CVPR",
            identifier="arXiv:2111.09881",
        ),
        authors_code="https://github.com/swz30/Restormer",
        departures=(
            "x is added here, as equation 1 of the paper says; the authors' module leaves that to its block.",
            "q and k have length 1 and the logits are multiplied by the temperature, as in the authors' code; "
            "equation 1 of the paper divides by it.",
            "Rows of q and k that are zero, in the dtype of the weights, pass no gradient; in the authors' code it is "
            "1e12 times as large as what comes back.",
            "The layer normalisation before it is the block's and no part of it.",
        ),
        at="stage",
        parameters=(
            "4*c*c + 3*c*3**dims + 7*c*bias + n where n = heads if heads is not None else gcd(max(1, c // 48), c)"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        heads: int | None = None,
        bias: bool = False,
        residual: bool = True,
        dims: int = 2,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        conv = convolution("transposed", dims)
        self.heads = head_count("transposed", heads, max(1, channels // PER_HEAD), channels)
        self.residual, self.dims = residual, dims
        self.temperature = nn.Parameter(torch.empty(self.heads, 1, 1))
        self.embed = conv(channels, 3 * channels, 1, bias=bias)
        self.surround = conv(3 * channels, 3 * channels, 3, padding=1, groups=3 * channels, bias=bias)
        self.project = conv(channels, channels, 1, bias=bias)
        self.map = Tap("affinity", shares="channel")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The temperature of every head is 1."""
        nn.init.ones_(self.temperature)

    def forward(self, x: Tensor) -> Tensor:
        """x with a mean of its channels added to each."""
        self.expect(x, (self.dims,))
        query, key, value = (
            part.flatten(2).unflatten(1, (self.heads, -1)) for part in self.surround(self.embed(x)).chunk(3, 1)
        )
        query, key = (_normalise_rows(rows) for rows in (query, key))
        logits = widen(self.temperature) * wide_product(query, key.transpose(2, 3))
        attn = self.map(softmax(logits, -1))
        mixed = attn.to(value.dtype) @ value
        h = self.project(mixed.reshape(x.shape))
        return self.add(x, h) if self.residual else self.blend(x, h)


def _normalise_rows(rows: Tensor) -> Tensor:
    """Rows (..., n) in at least float32, of length 1, or 0 where the length is less than any that counts."""
    smallest = max(SMALLEST, torch.finfo(rows.dtype).tiny)
    length = torch.linalg.vector_norm(widen(rows), dim=-1, keepdim=True)
    return widen(rows) * torch.where(length >= smallest, 1 / length.clamp_min(smallest), 0)
