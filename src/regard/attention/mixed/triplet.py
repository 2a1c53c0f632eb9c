"""Triplet attention."""

import torch
from torch import Tensor, nn

from regard.attention.layers import Norm, Rescaling, convolution, sigmoid
from regard.core import Facts, Paper, Start, Tap
from regard.core.options import odd
from regard.kernels import apply_gate, squeeze_channels


class Triplet(Rescaling):
    """Rescales each value by the mean of three maps, each of which has one axis pooled.

    y = x * mean of sigmoid(norm(conv(Z(x)))) over the branches, Z the [maximum, mean] over one axis of (c, h, w)

    Misra, Nalamada, Arasanipalai, Hou: Rotate to Attend: Convolutional Triplet Attention Module, WACV 2021,
    section 3. One branch pools the height and convolves over channels and width, one pools the width and convolves over
    height and channels, one pools the channels and convolves over the positions, as `cbam_spatial` does. The norms
    have momentum 0.01; that of the last branch starts at weight 0, so its map starts at 1/2. With d position axes
    there are d + 1 branches, each with a convolution over d axes.

    Args:
        channels: c (only checked: no parameter depends on it).
        kernel_size: k, odd.
        spatial: whether there is a branch that pools the channels.
        dims: position axes of x.
        strict: raise where batch normalisation would see one value, see `Norm`.
        start: see `Features`; one `strength` tempers every map.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same. The maps are (b, c, 1, w), (b, c, h, 1) and (b, 1, h, w).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> Triplet(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in Triplet(64).parameters())
        300
    """

    facts = Facts(
        name="triplet",
        family="mixed",
        paper=Paper(
            title="Rotate to Attend: Convolutional Triplet Attention Module",
            authors="Diganta Misra and Trikay Nalamada and Ajay Uppili Arasanipalai and Qibin Hou",
            year=2021,
            venue="WACV",
            identifier="arXiv:2010.03045",
        ),
        authors_code="https://github.com/landskape-ai/triplet-attention",
        departures=(
            "With one or three position axes there is a branch for each axis, the channels' too, that pools it and "
            "convolves over all the others.",
            "Values that tie for the maximum share its gradient, which is deterministic on CUDA; the authors' code "
            "gives it to one of them.",
        ),
        parameters="(dims + spatial)*(2*kernel_size**dims + 2)",
    )

    def __init__(
        self,
        channels: int,
        *,
        kernel_size: int = 7,
        spatial: bool = True,
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        self.dims = dims
        self.pooled = (*range(2, dims + 2), *((1,) if spatial else ()))
        self.branches = nn.ModuleList(
            _Branch(odd("triplet", "kernel_size", kernel_size), dims, strict, "spatial" if axis == 1 else "mixed")
            for axis in self.pooled
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: He's initialisation of the convolutions, and a last norm that gives 0.

        With `start="identity"` that norm starts with weight 1, or its convolution would have no gradient.
        """
        for axis, branch in zip(self.pooled, self.branches, strict=True):
            assert isinstance(branch, _Branch)
            nn.init.kaiming_normal_(branch.conv.weight, mode="fan_out", nonlinearity="relu")
            branch.norm.reset_parameters()
            if axis == 1 and self.strength is None:
                nn.init.zeros_(branch.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x with every value rescaled."""
        self.expect(x, (self.dims,))
        maps = []
        for axis, branch in zip(self.pooled, self.branches, strict=True):
            assert isinstance(branch, _Branch)
            maps.append(self.show(x, branch.gate, sigmoid(branch(x.transpose(1, axis))).transpose(1, axis)))
        total = maps[0]
        for gate in maps[1:]:
            total = total + gate
        return apply_gate(x, total / len(maps))


class _Branch(nn.Module):
    """(b, 1, ...): the logits of a map over all axes but the first two of what it is given."""

    def __init__(self, kernel_size: int, dims: int, strict: bool, kind: str) -> None:
        super().__init__()
        conv = convolution("triplet", dims)
        self.conv = conv(2, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.norm = Norm(1, momentum=0.01, strict=strict)
        self.gate = Tap(kind)

    def forward(self, x: Tensor) -> Tensor:
        statistics = torch.cat(tuple(squeeze_channels(x, "max", "mean")), 1)
        logits: Tensor = self.norm(self.conv(statistics))
        return logits
