"""A tap: the named submodule through which a map passes, so that it can be observed or replaced."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from regard.core.errors import ShapeError
from regard.core.kinds import Axis, MapKind, find_axes, find_kind


class Tap(nn.Module):
    """Passes a map on unchanged, shows it to `sink`, and lets `replace` return another one instead.

    The forward method itself reads `sink` and `replace`, so both also work on a module that was compiled before
    they were set (a forward hook added after `torch.compile` sees nothing). For a compiled module let them be
    functions written in Python: PyTorch 2.11 compiles no built-in ones such as a list's `append`.

    Args:
        kind: the name of the kind of map; see `regard.core.kinds`.
        shares: the axes over which the weights sum to one, by their names: those of a softmax, none of a gate.
        neutral: the map that does nothing: a number, or the axes over which it is an equal share, by their names. If
            None, an equal share over the axes of `shares` where there are any, every position itself for a `grid`, the
            middle of the image for a `glimpse`, and else 1.
        low: the smallest value that the map can take, without a `strength`.
        high: the largest value.

    Raises:
        UnknownNameError: no such kind of map, or an axis that it does not have.

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

    def __init__(
        self,
        kind: str | MapKind,
        *,
        shares: str | Axis | Iterable[str | Axis] = (),
        neutral: float | str | Axis | Iterable[str | Axis] | None = None,
        low: float = 0.0,
        high: float = 1.0,
    ) -> None:
        super().__init__()
        self.kind: MapKind = find_kind(kind)
        self.shares: frozenset[Axis] = find_axes(self.kind, shares)
        self.neutral: float | frozenset[Axis] | None = self._neutral(neutral)
        self.low = low
        self.high = high
        self.sink = None
        self.replace = None

    @property
    def watched(self) -> bool:
        """Returns whether a sink or a replacement is set: only then a mechanism with a fused kernel makes its map."""
        return self.sink is not None or self.replace is not None

    @property
    def does_nothing(self) -> str:
        """The map that does nothing, in words.

        >>> Tap("gate").does_nothing, Tap("spatial", shares="position").does_nothing, Tap("grid").does_nothing
        ('1', 'an equal share over positions', 'the identity')
        """
        if isinstance(self.neutral, frozenset):
            return f"an equal share over {_join_names(self.neutral)}"
        return "the identity" if self.neutral is None else f"{self.neutral:g}"

    def level(self, values: Tensor) -> float:
        """The number that a map of that shape has everywhere when it does nothing; NaN for a grid, which has none.

        >>> Tap("spatial", shares="position").level(torch.zeros(2, 1, 4, 5))
        0.05
        """
        if isinstance(self.neutral, frozenset):
            spans = (self.kind.span(axis, values.ndim) for axis in self.neutral)
            return 1 / math.prod(values.shape[dimension] for span in spans for dimension in span)
        return math.nan if self.neutral is None else self.neutral

    def nothing(self, values: Tensor) -> Tensor:
        """The map of that shape that does nothing.

        >>> Tap("grid").nothing(torch.zeros(1, 2, 2, 2)).flatten().tolist()
        [-0.5, -0.5, 0.5, -0.5, -0.5, 0.5, 0.5, 0.5]
        """
        if self.neutral is not None:
            return torch.full_like(values, self.level(values))
        return identity_grid(tuple(values.shape[1:-1]), values).expand_as(values)

    def _neutral(self, given: float | str | Axis | Iterable[str | Axis] | None) -> float | frozenset[Axis] | None:
        """A number, axes of equal shares, or None for the grid of every position itself."""
        if isinstance(given, int | float):
            return float(given)
        if given is not None:
            return find_axes(self.kind, given)
        if self.shares:
            return self.shares
        if Axis.COORDINATE in self.kind.axes:
            return None if Axis.POSITION in self.kind.axes else 0.0
        return 1.0

    def forward(self, values: Tensor) -> Tensor:
        """The map, or the result of `replace` (broadcast to the same shape, in the same dtype, on its device)."""
        if self.replace is not None:
            values = _fit(self.replace(values), values)
        if self.sink is not None:
            self.sink(values)
        return values

    def extra_repr(self) -> str:
        """The options that `print(module)` shows."""
        shares = f", shares over {_join_names(self.shares)}" if self.shares else ""
        return f"{self.kind}{shares}, neutral: {self.does_nothing}"

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


def _join_names(axes: Iterable[Axis]) -> str:
    return " and ".join(sorted(axis.plural for axis in axes))


def _fit(other: Tensor, values: Tensor) -> Tensor:
    aligned = zip(reversed(other.shape), reversed(values.shape), strict=False)
    if other.ndim > values.ndim or any(given != 1 and given != size for given, size in aligned):
        raise ShapeError(
            f"Tap: `replace` gave a map of shape {tuple(other.shape)}; it must broadcast to the map's own shape "
            f"{tuple(values.shape)}."
        )
    return other.to(values).expand_as(values)


def taps(module: nn.Module) -> dict[str, Tap]:
    """Every tap inside `module` by its path, in the order of registration; the same tap twice is named once.

    >>> list(taps(nn.Sequential(nn.ReLU(), Tap("gate"))))
    ['1']
    """
    return {path: child for path, child in module.named_modules() if isinstance(child, Tap)}
