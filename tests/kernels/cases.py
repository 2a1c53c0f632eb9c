"""Cases for the kernels of the CPU: features in every layout, what is computed of them, and how good it must be.

An error is the greatest one of a tensor's elements against float64, over the largest value of the tensor and the
distance of its dtype's numbers at 1. It may be `UNITS`, or 1.5 times that of the oracle in the same dtype. In
float64 the oracle is the truth itself.
"""

import math
import random

import pytest
import torch

from regard.kernels import (
    add_shift,
    apply_both,
    apply_gate,
    hold_gate,
    operators,
    squeeze_channels,
    squeeze_positions,
    sum_channels,
    sum_positions,
    use,
)

needs_extension = pytest.mark.skipif(operators.LEVEL is None, reason=f"no kernels for the CPU: {operators.WHY_NOT}")

DTYPES = (torch.float32, torch.bfloat16, torch.float64)
LAYOUTS = ("rows", "positions")
OFFSETS = (0, 1, 3, 7)
"""Values before the first one, so that the features start anywhere between two vectors."""

SHAPES = ((2, 3, 1, 1), (1, 31, 13, 17), (3, 16, 7, 7), (2, 1, 5, 3), (1, 257, 19), (2, 5, 2, 3, 3))
"""A representative of each kind; `all_shapes` has every one."""

UNITS = {"avx512": 2, "avx2": 3}.get(str(operators.LEVEL), 4)
"""The shorter the vectors, the more values does each of their sums take."""

TIMES = 1.5


def all_shapes():
    """Sizes of maps x numbers of channels x numbers of images, as far as they have at most a million values."""
    positions = ((1, 1), (3, 5), (7, 7), (56, 56), (13, 17), (1, 9), (601,), (5,), (3, 5, 7), (2, 2, 2))
    shapes = ((b, c, *p) for p in positions for c in (1, 3, 16, 31, 64, 257, 2048) for b in (1, 2, 3))
    return [shape for shape in shapes if math.prod(shape) <= 1_000_000]


def lay_out(values, dtype, layout="rows", offset=0):
    """The values in a dtype, contiguous or channels last, `offset` values behind the start of their storage."""
    memory = torch.empty(offset + values.numel(), dtype=dtype)[offset:]
    b, c, *positions = values.shape
    x = memory.view(b, c, *positions) if layout == "rows" else memory.view(b, *positions, c).movedim(-1, 1)
    return x.copy_(values)


def draw(shape, dtype, layout="rows", offset=0):
    """Features, a weight for each channel, and one for each position."""
    wide = torch.promote_types(dtype, torch.float32)
    channel = torch.randn(*shape[:2], *(1,) * (len(shape) - 2), dtype=wide)
    return lay_out(torch.randn(shape), dtype, layout, offset), channel, torch.randn(shape[0], 1, *shape[2:], dtype=wide)


def _per_channel(squeezed, weight):
    """A gate that is made of statistics of the channels."""
    return torch.sigmoid(sum(s.view(weight.shape) for s in squeezed) + weight)


def squeeze(*statistics):
    return lambda x, channel, position: list(squeeze_positions(x, *statistics))


def squeeze_and_gate(*statistics):
    def compute(x, channel, position):
        squeezed = squeeze_positions(x, *statistics)
        return [apply_gate(squeezed, _per_channel(squeezed, channel)), *squeezed]

    return compute


def squeeze_and_gate_positions(x, channel, position):
    squeezed = squeeze_positions(x, "mean", "max")
    return [apply_gate(squeezed, position), *squeezed]


def look_across(*statistics):
    return lambda x, channel, position: list(squeeze_channels(x, *statistics))


def look_across_and_gate(*statistics):
    def compute(x, channel, position):
        squeezed = squeeze_channels(x, *statistics)
        return [apply_gate(squeezed, torch.sigmoid(sum(squeezed) + position)), *squeezed]

    return compute


def look_across_and_gate_channels(x, channel, position):
    squeezed = squeeze_channels(x, "mean", "max")
    return [apply_gate(squeezed, channel), *squeezed]


def gate_both(first, second):
    """The two gates of CBAM, the first one held."""

    def compute(x, channel, position):
        squeezed = squeeze_positions(x, *first)
        across = squeeze_channels(hold_gate(squeezed, _per_channel(squeezed, channel)), *second)
        return [apply_gate(across, torch.sigmoid(sum(across) + position)), *across, *squeezed]

    return compute


def gate_by_channel(x, channel, position):
    return [apply_gate(x, channel)]


def gate_by_position(x, channel, position):
    return [apply_gate(x, position)]


def gate_by_both(combine):
    return lambda x, channel, position: [apply_both(x, channel, position, combine)]


def squeeze_and_gate_by_both(x, channel, position):
    squeezed = squeeze_positions(x, "mean")
    return [apply_both(squeezed, _per_channel(squeezed, channel), position, "sigmoid of sum"), *squeezed]


def score(x, channel, position):
    return [*sum_channels(x, channel[0].flatten()), *sum_positions(x, position)]


def score_and_gate(x, channel, position):
    """The gate of `sse`."""
    scored = sum_channels(x, channel[0].flatten())
    return [apply_gate(scored, torch.sigmoid(scored[0] + position)), *scored]


def score_and_gate_by_both(x, channel, position):
    """The gates of `scse`."""
    squeezed = squeeze_positions(x, "mean")
    scored = sum_channels(squeezed, channel[0].flatten())
    return [apply_both(scored, _per_channel(squeezed, channel), torch.sigmoid(scored[0])), *squeezed, *scored]


def sum_and_shift(x, channel, position):
    """The context of `gc`."""
    scored = sum_channels(x, channel[0].flatten())
    summed = sum_positions(scored, torch.sigmoid(scored[0] + position))
    return [add_shift(summed, _per_channel(summed, channel)), *summed, *scored]


def sum_and_gate(x, channel, position):
    summed = sum_positions(x, position)
    return [apply_gate(summed, _per_channel(summed, channel)), *summed]


def squeeze_and_shift(x, channel, position):
    squeezed = squeeze_positions(x, "mean")
    return [add_shift(squeezed, _per_channel(squeezed, channel)), *squeezed]


STATISTICS = (("mean",), ("max",), ("mean", "max"), ("max", "mean"), ("mean", "std"), ("power",))
ACROSS = (("mean",), ("max",), ("max", "mean"))

SQUEEZES = {"+".join(s): squeeze(*s) for s in STATISTICS}
GATES = {
    "by channel": gate_by_channel,
    "by position": gate_by_position,
    **{f"by {combine}": gate_by_both(combine) for combine in ("sum", "sigmoid of sum", "sigmoid of product")},
    "of mean, by sigmoid of sum": squeeze_and_gate_by_both,
    "of mean, shift": squeeze_and_shift,
    "of a squeeze, by position": squeeze_and_gate_positions,
    **{f"of {'+'.join(s)}": squeeze_and_gate(*s) for s in STATISTICS},
}
SQUEEZES_OF_CHANNELS = {
    **{"+".join(s): look_across(*s) for s in ACROSS},
    **{f"{'+'.join(s)} and gate": look_across_and_gate(*s) for s in ACROSS},
    "max+mean and channel gate": look_across_and_gate_channels,
    "both gates": gate_both(("mean", "max"), ("max", "mean")),
    "both gates, of means": gate_both(("mean",), ("mean",)),
    "both gates, of maxima": gate_both(("max",), ("max",)),
}
WEIGHTED_SUMS = {
    "scores and contexts": score,
    "scores and gate": score_and_gate,
    "scores and both gates": score_and_gate_by_both,
    "context and shift": sum_and_shift,
    "context and gate": sum_and_gate,
}
EVERYTHING = {
    f"{primitive}: {name}": compute
    for primitive, computes in (
        ("squeeze", SQUEEZES),
        ("gate", GATES),
        ("across", SQUEEZES_OF_CHANNELS),
        ("sum", WEIGHTED_SUMS),
    )
    for name, compute in computes.items()
}
"""What the primitives make of features, a weight for each channel and one for each position, by name."""


def run(compute, inputs, upstream=0):
    """The results of `compute`, and the gradients of the inputs for an upstream that is drawn from a seed."""
    inputs = [tensor.detach().requires_grad_() for tensor in inputs]
    results = compute(*inputs)
    generator = torch.Generator().manual_seed(upstream)
    above = [torch.randn(r.shape, generator=generator).bfloat16().to(r.dtype) for r in results]  # exact in every dtype
    gradients = torch.autograd.grad(results, inputs, above, allow_unused=True, materialize_grads=True)
    return [*(result.detach() for result in results), *gradients]


def run_oracle(compute, inputs):
    with use("reference"):
        return run(compute, inputs)


def error(result, truth):
    """The greatest error in units of the dtype over the truth's largest value; infinite for what is no number."""
    difference = (result.double() - truth).abs().max().item() if truth.numel() else 0.0
    if difference == 0:
        return 0.0
    unit = torch.finfo(result.dtype).eps * truth.abs().max().item()
    return difference / unit if unit and not math.isnan(difference) else math.inf


def assert_as_good(compute, draws, where="", units=UNITS):
    """The kernels' results and gradients have the oracle's shapes and dtypes and about its errors, or smaller ones.

    Args:
        compute: see `EVERYTHING`.
        draws: some inputs of it; the errors are those over all of them.
        where: what an error names.
        units: the error that is allowed whatever the oracle's is.
    """
    with Poisoned():
        results = [run(compute, inputs) for inputs in draws]
    oracles = [run_oracle(compute, inputs) for inputs in draws]
    truths = [run_oracle(compute, [tensor.double() for tensor in inputs]) for inputs in draws]
    for number, (result, plain, true) in enumerate(zip(*map(_stack, (results, oracles, truths)), strict=True)):
        assert (result.shape, result.dtype) == (plain.shape, plain.dtype), f"{where}: tensor {number}"
        allowed = 256 if result.dtype == torch.float64 else max(TIMES * error(plain, true), units)
        found = error(result, true)
        assert found <= allowed, f"{where}: tensor {number} has an error of {found:.3g} > {allowed:.3g}"


def _stack(draws):
    return [torch.stack(tensors) for tensors in zip(*draws, strict=True)]


class Poisoned:
    """A block in which memory that was not written holds NaN, and the greatest number of integers."""

    def __enter__(self):
        self.before = torch.are_deterministic_algorithms_enabled()
        torch.use_deterministic_algorithms(True)
        assert torch.empty(1).isnan()

    def __exit__(self, *exception):
        torch.use_deterministic_algorithms(self.before)


def assert_on_representatives(compute, dtype, units=UNITS):
    for number, shape in enumerate(SHAPES):
        for layout in LAYOUTS:
            _assert_on(compute, shape, dtype, layout, OFFSETS[number % len(OFFSETS)], units)


def assert_on_everything(compute, dtype, units=UNITS):
    offsets = random.Random(0)
    for shape in all_shapes():
        for layout in LAYOUTS:
            _assert_on(compute, shape, dtype, layout, offsets.choice(OFFSETS), units)


def _assert_on(compute, shape, dtype, layout, offset, units):
    draws = 4 if math.prod(shape) < 1000 else 1  # the error of a few values says little
    inputs = [draw(shape, dtype, layout, offset) for _ in range(draws)]
    assert_as_good(compute, inputs, f"{shape} {layout} {offset}", units)
