"""The head of DANet: position and channel attention side by side."""

from collections import OrderedDict

from torch import Tensor, nn

from regard.attention.channel.dual_channel import DualChannel, Energy
from regard.attention.layers import Norm, convolution
from regard.attention.spatial.dual_position import DualPosition
from regard.core import Facts, Features, Paper, Start
from regard.core.options import at_least


class Dual(Features):
    """Adds to the features a weighted sum over all positions and one over all channels.

    y = x + gamma_p P(x) + gamma_c C(x), P and C as in `dual_position` and `dual_channel`
    with convolutions=True: y = O (conv(p(conv(x))) + conv(c(conv(x)))), p(z) = z + gamma_p P(z), c(z) = z + gamma_c C(z),
    each conv 3x3, normalised, with ReLU, to c / squeeze channels, and O a linear layer at every position

    Fu, Liu, Tian, Li, Bao, Fang, Lu: Dual Attention Network for Scene Segmentation, CVPR 2019, section 3.4. The head
    with convolutions replaces the features, as a classifier of every pixel may; without them it joins any network.

    Args:
        channels: c.
        reduction: the queries and keys of positions have a width divided by it, at least 1.
        energy: of the channels, see `DualChannel`.
        convolutions: whether the head's convolutions stand around both halves.
        squeeze: between the convolutions there are max(1, c // squeeze) channels.
        dims: position axes of x.
        strict: raise where batch normalisation would see one value, see `Norm`.
        start: see `Features`; with `identity` gamma_p and gamma_c begin at 1.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> Dual(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in Dual(64).parameters())
        5202
    """  # noqa: E501

    facts = Facts(
        name="dual",
        family="mixed",
        act="aggregate",
        paper=Paper(
            title="Dual Attention Network for Scene Segmentation",
            authors="Jun Fu and Jing Liu and Haijie Tian and Yong Li and Yongjun Bao and Zhiwei Fang and Hanqing Lu",
            year=2019,
            venue="CVPR",
            identifier="arXiv:1809.02983",
        ),
        authors_code="https://github.com/junfu1115/DANet",
        departures=(
            "By default the head's convolutions are left out and x is counted once, so that it joins any network.",
            "With convolutions the last layer has as many outputs as there are channels and no dropout; the layers "
            "that score each half alone in training are left out.",
            "The hidden widths are never under 1, so that a narrow layer still sees its input.",
        ),
        at="stage",
        parameters=(
            "2*(m*h + h) + m*m + m + 2 + convolutions*(2*c*m*3**dims + 2*m*m*3**dims + 8*m + m*c + c)"
            " where m = max(1, c // squeeze) if convolutions else c; h = max(1, m // reduction)"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 8,
        energy: Energy = "difference",
        convolutions: bool = False,
        squeeze: int = 4,
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        conv = convolution("dual", dims)
        at_least("dual", "squeeze", squeeze, 1)
        self.dims, width = dims, max(1, channels // squeeze) if convolutions else channels

        def block(given: int) -> nn.Module:
            if not convolutions:
                return nn.Identity()
            layers: OrderedDict[str, nn.Module] = OrderedDict()
            layers["conv"] = conv(given, width, 3, padding=1, bias=False)
            layers["norm"] = Norm(width, strict=strict)
            layers["relu"] = nn.ReLU()
            return nn.Sequential(layers)

        self.position_before = block(channels)
        self.position = DualPosition(width, reduction=reduction)
        self.position_after = block(width)
        self.channel_before = block(channels)
        self.channel = DualChannel(width, energy=energy)
        self.channel_after = block(width)
        self.project = conv(width, channels, 1) if convolutions else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets gamma of both halves to 1, not 0 as published, where one `strength` holds both back."""
        if self.strength is not None:
            nn.init.ones_(self.position.gamma)
            nn.init.ones_(self.channel.gamma)

    def forward(self, x: Tensor) -> Tensor:
        """x with the sums of both halves added."""
        self.expect(x, (self.dims,))
        if self.project is None:
            h = self.position.residual(x)
            return self.add(x, h + self.channel.residual(x).to(h.dtype))
        given = x.to(self.project.weight.dtype)
        positions = self.position_after(self.position(self.position_before(given)))
        channels = self.channel_after(self.channel(self.channel_before(given)))
        return self.blend(x, self.project(positions + channels))
