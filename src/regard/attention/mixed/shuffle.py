"""Shuffle attention."""

import torch
from torch import Tensor, nn

from regard.attention.group_norm import group_normalise
from regard.attention.layers import group_count, sigmoid
from regard.core import Facts, Features, OptionError, Paper, Start, Tap, widen
from regard.kernels import apply_gate, squeeze_positions


class Shuffle(Features):
    """Rescales one half of each group's channels as a whole, the other half position by position, and mixes the halves.

    In each of the groups, with halves u and v of the channels:
    u' = u * sigmoid(w1 mean(u) + b1), the mean taken over positions
    v' = v * sigmoid(w2 norm(v) + b2), the norm of each channel over its positions, with weight and bias
    y = shuffle([u', v'] of all groups), which takes the channels of the first and second half of y in turn

    Zhang, Yang: SA-Net: Shuffle Attention for Deep Convolutional Neural Networks, ICASSP 2021. The
    groups share their parameters, a number for each channel of a half. Both w start at 0 and both b at 1, so every map
    starts at sigmoid(1). The shuffle is part of the mechanism: with maps of 1 the channels are still permuted.

    Args:
        channels: c.
        groups: of the channels, at least two channels each; None takes the largest number that leaves every half
            whole and divides 64, the published one.
        start: see `Features`.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> Shuffle(256)(torch.randn(2, 256, 7, 5)).shape
        torch.Size([2, 256, 7, 5])
        >>> sum(p.numel() for p in Shuffle(256).parameters())
        12
    """

    facts = Facts(
        name="shuffle",
        family="mixed",
        bare=False,
        paper=Paper(
            title="SA-Net: Shuffle Attention for Deep Convolutional Neural Networks",
            authors="Qing-Long Zhang and Yu-Bin Yang",
            year=2021,
            venue="ICASSP",
            identifier="arXiv:2102.00240",
        ),
        authors_code="https://github.com/wofmanaf/SA-Net",
        departures=(
            "The default number of groups shrinks until each has two halves of whole channels.",
            "Of an odd number of channels the half that is rescaled as a whole has one more, and the shuffle leaves "
            "the last one where it is; a single channel is rescaled as a whole.",
        ),
        parameters="4*n - 2*u where n = c // (groups or (1 if c % 2 else gcd(64, c // 2))); u = (n + 1) // 2",
    )

    def __init__(self, channels: int, *, groups: int | None = None, start: Start = "paper") -> None:
        super().__init__(channels, start=start)
        if groups is None and channels % 2 == 0:
            self.groups = group_count("shuffle", None, 64, channels // 2)
        else:
            self.groups = group_count("shuffle", groups, 1, channels)
        if self.groups == channels > 1:
            raise OptionError(
                f"shuffle: groups={groups} is not allowed; a group of one channel has no two halves: at most "
                f"{channels // 2} groups of {channels} channels."
            )
        width = channels // self.groups
        self.halves = (width + 1) // 2, width // 2
        whole, each = self.halves
        self.channel_weight = nn.Parameter(torch.empty(whole))
        self.channel_bias = nn.Parameter(torch.empty(whole))
        self.channel = Tap("gate")
        if each:
            self.norm = nn.GroupNorm(each, each)
            self.spatial_weight = nn.Parameter(torch.empty(each))
            self.spatial_bias = nn.Parameter(torch.empty(each))
            self.spatial = Tap("mixed")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: maps of sigmoid(1) everywhere; with `start="identity"` they follow the features.

        There a weight of 0 would keep the parameters of the norm waiting.
        """
        for name, values in self.named_parameters(recurse=False):
            if name.endswith("_weight"):
                nn.init.constant_(values, 0.0 if self.strength is None else 1.0)
            elif name.endswith("_bias"):
                nn.init.ones_(values)

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel, or every value, rescaled, and the channels shuffled."""
        self.expect(x)
        whole, each = x.unflatten(1, (self.groups, -1)).split(self.halves, 2)
        parts = [apply_gate(whole.flatten(1, 2), self._channel_map(whole)).unflatten(1, (self.groups, -1))]
        if self.halves[1]:
            parts.append(apply_gate(each.flatten(1, 2), self._spatial_map(each)).unflatten(1, (self.groups, -1)))
        return self.blend(x, _shuffle(torch.cat(parts, 2).flatten(1, 2)))

    def _channel_map(self, x: Tensor) -> Tensor:
        """(b, channels, 1, ...): of halves (b, groups, n, ...)."""
        (mean,) = squeeze_positions(x.flatten(1, 2), "mean")
        scores = widen(self.channel_weight) * mean.unflatten(1, (self.groups, -1)) + widen(self.channel_bias)
        return self.channel(sigmoid(scores).reshape(x.shape[0], x.shape[1] * x.shape[2], *(1,) * (x.ndim - 3)))

    def _spatial_map(self, x: Tensor) -> Tensor:
        """(b, channels, ...): of halves (b, groups, n, ...)."""
        ones = (1,) * (x.ndim - 3)
        weight, bias = (widen(p).reshape(-1, *ones) for p in (self.spatial_weight, self.spatial_bias))
        scores = weight * group_normalise(self.norm, x.flatten(0, 1)) + bias
        return self.spatial(sigmoid(scores).unflatten(0, x.shape[:2]).flatten(1, 2))


def _shuffle(x: Tensor) -> Tensor:
    """Interleave the channels of x's first and second half; of an odd number the last one stays."""
    half = x.shape[1] // 2
    first, second = x[:, : x.shape[1] - half], x[:, x.shape[1] - half :]
    pairs = torch.stack((first[:, :half], second), 2).flatten(1, 2)
    return torch.cat((pairs, first[:, half:]), 1) if x.shape[1] % 2 else pairs
