"""The operators of the extension in C++: their schemas, their shapes, and whether they can be had here.

The sources are in `cpp/`, on PyTorch's stable ABI, so that one binary serves all versions of Python and PyTorch. Where
it was not built, or cannot be loaded, the oracles in plain PyTorch serve.
"""

import ctypes
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

SCHEMAS = (
    "squeeze_mean(Tensor x) -> Tensor",
    "squeeze_power(Tensor x) -> Tensor",
    "squeeze_spread(Tensor x) -> (Tensor, Tensor)",
    "squeeze_peak(Tensor x, bool find) -> (Tensor, Tensor, Tensor, Tensor)",
    "gate(Tensor x, Tensor? channel, Tensor? position, int mode) -> Tensor",
    "gate_sums(Tensor g, Tensor x, Tensor? channel, Tensor? position, int mode, Tensor? w, Tensor? peak, Tensor? top,"
    " Tensor? place, Tensor? ties, bool to_channel, bool to_position) -> (Tensor, Tensor)",
    "gate_spread(Tensor? g, Tensor x, Tensor? channel, Tensor? position, int mode, Tensor? w, Tensor? h, Tensor? w2,"
    " Tensor? h2, Tensor? u, Tensor? v, Tensor? peak, Tensor? most, Tensor? index, Tensor? ties, Tensor? top_peak,"
    " Tensor? top, Tensor? top_index, Tensor? top_ties) -> Tensor",
    "across(Tensor x, Tensor? channel, int maxima) -> (Tensor, Tensor, Tensor, Tensor)",
    "branches_select(Tensor[] x, Tensor weights, bool by_position) -> Tensor",
    "branches_sums(Tensor g, Tensor[] x, Tensor weights, bool by_position) -> Tensor",
    "branches_spread(Tensor g, Tensor? whole, Tensor weights, Tensor? added, bool by_position) -> Tensor[]",
    "planes(Tensor x, Tensor weight) -> Tensor",
    "planes_gradients(Tensor g, Tensor x, Tensor weight, Tensor turned, bool to_x, bool to_weight) -> (Tensor, Tensor)",
    "axis_means(Tensor x) -> Tensor",
    "axis_sums(Tensor g, Tensor x, Tensor rows, Tensor columns) -> (Tensor, Tensor)",
    "axis_gate(Tensor x, Tensor rows, Tensor columns, Tensor? shares) -> Tensor",
)
"""What the operators mean stands in `cpp/level.h`."""

CHANNEL, POSITION, PRODUCT, SUM, SHIFT, SIGMOID, SIGMOID_OF_PRODUCT, NONE = range(8)
"""How a value is weighted, as in `cpp/level.h`."""

UNASKED, RAISED, FOUND = range(3)
"""No maxima, maxima alone, or also where they are, as in `cpp/level.h`."""

DTYPES = (torch.float32, torch.bfloat16, torch.float64)

_FOLDER = Path(__file__).parent
_SKIP = "REGARD_NO_EXTENSION"
_TYPES = (Tensor, torch.nn.Parameter)
_transforms = torch._C._functorch.peek_interpreter_stack
_tracing = torch._C._is_tracing

_LIBRARY = torch.library.Library("regard", "FRAGMENT")


def _load() -> tuple[str | None, str]:
    """The instructions that the extension uses on this processor, or None and the reason."""
    if os.environ.get(_SKIP):
        return None, f"{_SKIP} is set"
    for path in sorted(_FOLDER.glob("_cpu*.so")):
        try:
            torch.ops.load_library(path)
            level = ctypes.CDLL(str(path)).regard_kernels_level
        except (OSError, AttributeError) as error:
            return None, f"{path.name} cannot be loaded ({error})"
        level.restype = ctypes.c_char_p
        return level().decode(), ""
    reason = _FOLDER / "_cpu.txt"  # which setup.py leaves
    return None, reason.read_text(encoding="utf-8").strip() if reason.exists() else "they were not built"


def _define() -> None:
    for schema in SCHEMAS:
        _LIBRARY.define(schema, tags=(torch.Tag.pt2_compliant_tag,))
        name = schema.partition("(")[0]
        torch.library.register_fake(f"regard::{name}", _FAKES[name], lib=_LIBRARY)


def _sizes(x: Tensor) -> tuple[int, int, int]:
    return x.shape[0], x.shape[1], math.prod(x.shape[2:])


def _statistic(x: Tensor, *size: int, dtype: torch.dtype | None = None) -> Tensor:
    wide = torch.promote_types(x.dtype, torch.float32)
    return x.new_empty(size, dtype=dtype or wide)


def _fake_one(x: Tensor) -> Tensor:
    return _statistic(x, *x.shape[:2])


def _fake_spread(x: Tensor) -> tuple[Tensor, Tensor]:
    return _fake_one(x), _fake_one(x)


def _fake_peak(x: Tensor, find: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    some = x.shape[0] if find else 0
    index, ties = (_statistic(x, some, x.shape[1], dtype=torch.int32) for _ in range(2))
    return _fake_one(x), _fake_one(x), index, ties


def _fake_gate(x: Tensor, channel: Tensor | None, position: Tensor | None, mode: int) -> Tensor:
    return torch.empty_like(x)


def _fake_sums(
    g: Tensor,
    x: Tensor,
    channel: Tensor | None,
    position: Tensor | None,
    mode: int,
    w: Tensor | None,
    peak: Tensor | None,
    top: Tensor | None,
    place: Tensor | None,
    ties: Tensor | None,
    to_channel: bool,
    to_position: bool,
) -> tuple[Tensor, Tensor]:
    b, c, p = _sizes(x)
    return _statistic(x, b if to_channel else 0, c), _statistic(x, b if to_position else 0, p)


def _fake_gradient(g: Tensor | None, x: Tensor, *others: object) -> Tensor:
    return torch.empty_like(x)


def _fake_across(x: Tensor, channel: Tensor | None, maxima: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    b, _, p = _sizes(x)
    index, ties = (_statistic(x, b if maxima == FOUND else 0, p, dtype=torch.int32) for _ in range(2))
    return _statistic(x, b, p), _statistic(x, b if maxima != UNASKED else 0, p), index, ties


def _fake_selected(x: list[Tensor], weights: Tensor, by_position: bool) -> Tensor:
    parts = weights.shape[1] // len(x)
    return torch.empty_like(x[0].narrow(1, 0, x[0].shape[1] // parts) if parts > 1 else x[0])


def _fake_branch_sums(g: Tensor, x: list[Tensor], weights: Tensor, by_position: bool) -> Tensor:
    return torch.empty_like(weights)


def _fake_branch_gradients(g: Tensor, whole: Tensor | None, weights: Tensor, *others: object) -> list[Tensor]:
    return [torch.empty_like(g) for _ in range(weights.shape[1])] if whole is None else [torch.empty_like(whole)]


def _fake_planes(x: Tensor, weight: Tensor) -> Tensor:
    return x.new_empty(x.shape[0], 1, *x.shape[2:])


def _fake_planes_gradients(
    g: Tensor, x: Tensor, weight: Tensor, turned: Tensor, to_x: bool, to_weight: bool
) -> tuple[Tensor, Tensor]:
    b = x.shape[0]
    return x.new_empty(b if to_x else 0, *x.shape[1:]), x.new_empty(b if to_weight else 0, *weight.shape[1:])


def _fake_axis_means(x: Tensor) -> Tensor:
    return _statistic(x, x.shape[0], x.shape[2] + x.shape[3], x.shape[1])


def _fake_axis_sums(g: Tensor, x: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(rows), torch.empty_like(columns)


def _fake_axis_gate(x: Tensor, rows: Tensor, columns: Tensor, shares: Tensor | None) -> Tensor:
    return torch.empty_like(x)


_FAKES: dict[str, Callable[..., Any]] = {
    "squeeze_mean": _fake_one,
    "squeeze_power": _fake_one,
    "squeeze_spread": _fake_spread,
    "squeeze_peak": _fake_peak,
    "gate": _fake_gate,
    "gate_sums": _fake_sums,
    "gate_spread": _fake_gradient,
    "across": _fake_across,
    "branches_select": _fake_selected,
    "branches_sums": _fake_branch_sums,
    "branches_spread": _fake_branch_gradients,
    "planes": _fake_planes,
    "planes_gradients": _fake_planes_gradients,
    "axis_means": _fake_axis_means,
    "axis_sums": _fake_axis_sums,
    "axis_gate": _fake_axis_gate,
}

_define()
LEVEL, WHY_NOT = _load()
"""The instructions that the extension uses here, such as `avx512`, or None; and why it is not there."""


def can_serve(x: Tensor) -> bool:
    """Returns whether the operators take these features: in memory of the CPU, dense, and in an ordinary pass.

    Compilers, exports, transforms of functions (`torch.func`) and forward derivatives get the oracle, which they can
    look into.
    """
    return (
        LEVEL is not None
        and type(x) in _TYPES
        and x.dtype in DTYPES
        and x.is_cpu
        and x.ndim >= 3
        and not torch.compiler.is_compiling()
        and (x.is_contiguous() or _is_channels_last(x))
        and x.numel() > 0
        and _is_ordinary()
    )


def _is_ordinary() -> bool:
    """Returns whether no transform of functions, forward derivative or trace is under way."""
    return forward_ad._current_level < 0 and _transforms() is None and not _tracing()


def _is_channels_last(x: Tensor) -> bool:
    if x.ndim == 4:
        return x.is_contiguous(memory_format=torch.channels_last)
    if x.ndim == 5:
        return x.is_contiguous(memory_format=torch.channels_last_3d)
    return x.movedim(1, -1).is_contiguous()


def as_served(x: Tensor) -> Tensor:
    """x, contiguous unless it is channels last."""
    return x if x.is_contiguous() or _is_channels_last(x) else x.contiguous()


def laid_out_as(x: Tensor, other: Tensor) -> Tensor:
    """`other`, which has x's shape, in x's strides and dtype."""
    if other.dtype == x.dtype and (other.stride() == x.stride() or _lie_alike(x, other)):
        return other
    return torch.empty_like(x).copy_(other)


def _lie_alike(x: Tensor, other: Tensor) -> bool:
    """Returns whether strides differ in axes of size 1 alone."""
    return all(a == b or size == 1 for a, b, size in zip(x.stride(), other.stride(), x.shape, strict=True))
