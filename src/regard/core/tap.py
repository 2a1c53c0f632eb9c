"""A tap: the named place in a module where a map passes by, so that anyone can look."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from regard.core.errors import ShapeError

MapKind = Literal[
    "gate",
    "spatial",
    "mixed",
    "branch",
    "kernel",
    "query",
    "cross",
    "affinity",
    "grid",
    "glimpse",
    "alignment",
    "frame",
]
"""What a map is over, for features (b, c, h, w); with other position axes likewise:

- `gate`: channels (b, c, 1, 1).
- `spatial`: positions (b, n, h, w), n maps, mostly one.
- `mixed`: channels and positions (b, c, h, w); an axis of size 1 is shared, as in (b, c, h, 1).
- `branch`: branches (b, k, c, 1, 1), or (b, k, 1, 1, 1), or (b, k, 1, h, w) where positions choose.
- `kernel`: the positions of a kernel (b, 1, k, k).
- `query`: for each of n heads and each position, positions: (b, n, h, w, h', w').
- `cross`: for each position those of its column and its row (b, 1, h, w, h + w).
- `affinity`: for each of n heads and each channel, channels: (b, n, c, c').
- `grid`: where each position is sampled (b, h, w, 2), x before y, from -1 to 1 over the picture.
- `glimpse`, `alignment`, `frame`: of mechanisms that sample, or that look along a sequence."""

Neutral = float | Literal["uniform", "identity"]
"""The map that does nothing: a number, an equal share of what is weighed, or (a grid) every position itself."""


class Tap(nn.Module):
    """Passes a map on unchanged, shows it to `sink`, and lets `replace` put another in its place.

    The forward method itself looks at `sink` and `replace`, so both also work on a module that was compiled before
    they were set (a forward hook added after `torch.compile` sees nothing). For a compiled module let them be
    functions written in Python: PyTorch 2.11 compiles no built-in ones such as a list's `append`.

    Args:
        kind: what the map is over.
        neutral: the value of a map that does nothing; `uniform` where shares sum to one over positions (`spatial`,
            `query`, `cross`) or channels (`affinity`), `identity` for a `grid`; for a softmax over k branches 1 / k.
        low: the smallest value that the map can take, without a `strength`.
        high: the largest value.

    Example:
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

    def __init__(self, kind: MapKind, *, neutral: Neutral = 1.0, low: float = 0.0, high: float = 1.0) -> None:
        super().__init__()
        self.kind: MapKind = kind
        self.neutral: Neutral = neutral
        self.low = low
        self.high = high
        self.sink = None
        self.replace = None

    @property
    def watched(self) -> bool:
        """Whether anyone looks: what never makes its map, because a fused kernel does without, makes it then."""
        return self.sink is not None or self.replace is not None

    def level(self, map: Tensor) -> float:
        """The number that a map of that shape has everywhere when it does nothing; NaN for a grid, which has none.

        >>> Tap("spatial", neutral="uniform").level(torch.zeros(2, 1, 4, 5))
        0.05
        """
        if isinstance(self.neutral, str):
            return 1 / _shared(self.kind, map) if self.neutral == "uniform" else math.nan
        return self.neutral

    def nothing(self, map: Tensor) -> Tensor:
        """The map of that shape that does nothing.

        >>> Tap("grid", neutral="identity").nothing(torch.zeros(1, 2, 2, 2)).flatten().tolist()
        [-0.5, -0.5, 0.5, -0.5, -0.5, 0.5, 0.5, 0.5]
        """
        if self.neutral != "identity":
            return torch.full_like(map, self.level(map))
        return identity_grid(tuple(map.shape[1:-1]), map).expand_as(map)

    def forward(self, map: Tensor) -> Tensor:
        """The map, or what `replace` makes of it (broadcast to the same shape, in the same dtype, on its device)."""
        if self.replace is not None:
            map = _fitted(self.replace(map), map)
        if self.sink is not None:
            self.sink(map)
        return map

    def extra_repr(self) -> str:
        """What `print(module)` shows."""
        neutral = self.neutral if isinstance(self.neutral, str) else f"{self.neutral:g}"
        return f"{self.kind}, neutral={neutral}"

    def __getstate__(self) -> dict[str, object]:
        """Sinks and replacements belong to whoever set them: a copy or a pickle has none."""
        return self.__dict__ | {"sink": None, "replace": None}


def identity_grid(size: tuple[int, ...], like: Tensor) -> Tensor:
    """(*size, d): each position's own centre in d axes, the last axis of `size` first, -1 and 1 the outer edges.

    It is built from the size, so that an export keeps it dynamic; in `like`'s dtype and on its device.

    >>> identity_grid((1, 4), torch.zeros(())).flatten().tolist()
    [-0.75, 0.0, -0.25, 0.0, 0.25, 0.0, 0.75, 0.0]
    """
    axes = [(2 * torch.arange(n, device=like.device, dtype=like.dtype) + 1) / n - 1 for n in size]
    return torch.stack(tuple(reversed(torch.meshgrid(*axes, indexing="ij"))), -1)


def _shared(kind: MapKind, map: Tensor) -> int:
    """Over how many components a map of that kind shares its sum of one."""
    if kind in ("spatial", "query"):
        return math.prod(map.shape[2:] if kind == "spatial" else map.shape[2 + (map.ndim - 2) // 2 :])
    return map.shape[-1]


def _fitted(other: Tensor, map: Tensor) -> Tensor:
    aligned = zip(reversed(other.shape), reversed(map.shape), strict=False)
    if other.ndim > map.ndim or any(given != 1 and given != size for given, size in aligned):
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
