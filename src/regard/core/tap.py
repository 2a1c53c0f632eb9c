"""A tap: the named place in a module where a map passes by, so that anyone can look."""

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from regard.core.errors import ShapeError

MapKind = Literal["gate", "spatial", "mixed", "branch", "query", "grid", "glimpse", "alignment", "frame"]
"""What a map is over: `gate` channels (b, c, 1, ...), `spatial` positions (b, 1, h, w), `mixed` both (b, c, h, w),
`branch` branches (b, k, c, 1, ...); the others belong to mechanisms that aggregate, resample or sample."""


class Tap(nn.Module):
    """Passes a map on unchanged, shows it to `sink`, and lets `replace` put another in its place.

    The forward method itself looks at `sink` and `replace`, so both also work on a module that was compiled before
    they were set (a forward hook added after `torch.compile` sees nothing).

    Args:
        kind: what the map is over.
        neutral: the value of a map that does nothing; for a softmax over k branches 1 / k.
        low: the smallest value that the map can take, without a `strength`.
        high: the largest value.

    Example:
        >>> import torch
        >>> tap = Tap("gate")
        >>> seen = []
        >>> tap.sink = seen.append
        >>> tap(torch.full((1, 2, 1, 1), 0.5)).shape
        torch.Size([1, 2, 1, 1])
        >>> seen[0].flatten().tolist()
        [0.5, 0.5]
    """

    sink: Callable[[Tensor], object] | None
    replace: Callable[[Tensor], Tensor] | None

    def __init__(self, kind: MapKind, *, neutral: float = 1.0, low: float = 0.0, high: float = 1.0) -> None:
        super().__init__()
        self.kind: MapKind = kind
        self.neutral = neutral
        self.low = low
        self.high = high
        self.sink = None
        self.replace = None

    def forward(self, map: Tensor) -> Tensor:
        """The map, or what `replace` makes of it (broadcast to the same shape, in the same dtype, on its device)."""
        if self.replace is not None:
            map = _fitted(self.replace(map), map)
        if self.sink is not None:
            self.sink(map)
        return map

    def extra_repr(self) -> str:
        """What `print(module)` shows."""
        return f"{self.kind}, neutral={self.neutral:g}"

    def __getstate__(self) -> dict[str, object]:
        """Sinks and replacements belong to whoever set them: a copy or a pickle has none."""
        return self.__dict__ | {"sink": None, "replace": None}


def _fitted(other: Tensor, map: Tensor) -> Tensor:
    aligned = zip(reversed(other.shape), reversed(map.shape), strict=False)
    if other.ndim > map.ndim or any(given not in (1, size) for given, size in aligned):
        raise ShapeError(
            f"Tap: `replace` gave a map of shape {tuple(other.shape)}; it must broadcast to the map's own shape "
            f"{tuple(map.shape)}."
        )
    return other.to(map).expand_as(map)


def taps(module: nn.Module) -> dict[str, Tap]:
    """Every tap inside `module` by its path, in the order of registration; the same tap twice is named once.

    >>> list(taps(nn.Sequential(nn.ReLU(), Tap("gate"))))
    ['1']
    """
    return {path: child for path, child in module.named_modules() if isinstance(child, Tap)}
