"""The oracle in plain PyTorch."""

from torch import Tensor

from regard.core.precision import wide, widen


def squeeze_channels(x: Tensor, statistics: tuple[str, ...]) -> tuple[Tensor, ...]:
    """See `regard.kernels.channel_stats.api.squeeze_channels`."""
    ways = {
        "mean": lambda: x.mean(1, keepdim=True, dtype=wide(x.dtype)),
        "max": lambda: widen(x.amax(1, keepdim=True)),
    }
    return tuple(ways[statistic]() for statistic in statistics)
