"""The convolutional block attention module."""

from torch import Tensor, nn

from regard.attention.channel.cbam_channel import CBAMChannel, Pool
from regard.attention.spatial.cbam_spatial import CBAMSpatial
from regard.core import Facts, Features, Start


class CBAM(Features):
    """Rescales the channels, then the positions of the result.

    y = spatial(channel(x)), with the two halves `cbam_channel` and `cbam_spatial`; no shortcut of its own.

    Woo, Park, Lee, Kweon: CBAM: Convolutional Block Attention Module, ECCV 2018, equation 1. Where the paper and the
    authors' code differ, the halves follow the code, whose weights exist; each says how.

    Args:
        channels: c.
        reduction: r of the channel half.
        hidden: see `cbam_channel`.
        min_hidden: see `cbam_channel`.
        kernel_size: k of the spatial half, odd.
        bias: whether the channel half's layers have a bias.
        pools: the statistics that the channel half is computed from, see `cbam_channel`.
        dims: position axes of x.
        strict: raise where batch normalisation would see one value, see `Norm`.
        start: see `Features`; with `identity` each half has its own `strength`.

    Shape:
        x (b, c, ...) with `dims` position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> CBAM(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in CBAM(64).parameters())
        680
    """

    facts = Facts(
        name="cbam",
        family="mixed",
        paper=CBAMChannel.facts.paper,
        authors_code=CBAMChannel.facts.authors_code,
        departures=CBAMChannel.facts.departures + CBAMSpatial.facts.departures,
        parameters=(
            "2*c*h + bias*(h + c) + 2*kernel_size**dims + 2 where h = hidden or max(min_hidden, c // reduction)"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        hidden: int | None = None,
        min_hidden: int = 1,
        kernel_size: int = 7,
        bias: bool = True,
        pools: tuple[Pool, ...] = ("mean", "max"),
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels)
        self.channel = CBAMChannel(
            channels, reduction=reduction, hidden=hidden, min_hidden=min_hidden, bias=bias, pools=pools, start=start
        )
        self.spatial = CBAMSpatial(channels, kernel_size=kernel_size, dims=dims, strict=strict, start=start)

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel and then every position rescaled."""
        self.expect(x, (self.spatial.dims,))
        if _is_hooked(self.channel) or _is_hooked(self.spatial):
            return self.spatial(self.channel(x))  # as what looks at a half by a hook expects
        return self.spatial.attend(self.channel.hold(x))


def _is_hooked(half: nn.Module) -> bool:
    hooks = (half._forward_hooks, half._forward_pre_hooks, half._backward_hooks, half._backward_pre_hooks)
    return any(hooks)
