"""Uses of squeezes, gates and what is held, of which one gate at most may be joined with its squeeze."""

import torch

from regard.kernels import add_shift, apply_both, apply_gate, hold_gate, squeeze_channels, squeeze_positions
from tests.kernels.cases import gate_both, look_across_and_gate, squeeze_and_gate

LINKED = {
    "channels": squeeze_and_gate("mean", "max"),
    "positions": look_across_and_gate("max", "mean"),
    "both": gate_both(("mean", "max"), ("max", "mean")),
}


def beside_the_features(x, channel, position):
    return [x.square(), *LINKED["both"](x, channel, position), x * 2]


def two_gates(x, channel, position):
    squeezed = squeeze_positions(x, "mean")
    return [apply_gate(squeezed, channel), apply_gate(squeezed, 2 * channel), apply_gate(squeezed, position)]


def two_gates_across(x, channel, position):
    across = squeeze_channels(x, "mean", "max")
    return [apply_gate(across, position), apply_gate(across, 2 * position), *across]


def no_gate(x, channel, position):
    return [squeeze_positions(x, "mean", "max")[0], squeeze_channels(x, "mean", "max")[1]]


def a_gate_after_one_that_is_held(x, channel, position):
    squeezed = squeeze_positions(x, "mean", "max")
    held = hold_gate(squeezed, channel)
    return [apply_gate(squeezed, 2 * channel), *squeeze_channels(held, "mean", "max")]


def held_twice(x, channel, position):
    squeezed = squeeze_positions(x, "mean")
    first, second = hold_gate(squeezed, channel), hold_gate(squeezed, 2 * channel)
    return [*squeeze_channels(first, "mean"), *squeeze_channels(second, "max")]


def held_and_squeezed_twice(x, channel, position):
    held = hold_gate(squeeze_positions(x, "mean", "max"), channel)
    return [*squeeze_channels(held, "mean"), *squeeze_channels(held, "max"), *squeeze_channels(held, "mean", "mean")]


def held_and_gated_twice(x, channel, position):
    across = squeeze_channels(hold_gate(squeeze_positions(x, "max"), channel), "mean", "max")
    return [apply_gate(across, position), apply_gate(across, 2 * position)]


def held_and_left_to_the_oracle(x, channel, position):
    across = squeeze_channels(hold_gate(squeeze_positions(x, "mean"), channel), "max", impl="reference")
    return [apply_gate(across, position), *across]


def held_and_not_used(x, channel, position):
    squeezed = squeeze_positions(x, "mean", "max")
    hold_gate(squeezed, channel)
    return list(squeezed)


def held_without_gradients(x, channel, position):
    squeezed = squeeze_positions(x, "mean", "max")
    with torch.no_grad():
        held = hold_gate(squeezed, channel)
    return [apply_gate(squeeze_channels(held, "max"), position), *squeezed]


def gated_without_gradients(x, channel, position):
    squeezed = squeeze_positions(x, "mean", "max")
    with torch.no_grad():
        apply_gate(squeezed, channel)
        across = squeeze_channels(hold_gate(squeezed, channel), "mean")
    return [apply_gate(across, position), apply_gate(squeezed, channel)]


def held_with_a_statistic_twice(x, channel, position):
    across = squeeze_channels(hold_gate(squeeze_positions(x, "mean"), channel), "mean", "mean")
    return [apply_gate(across, position), *across]


def held_after_a_squeeze_of_channels(x, channel, position):
    across = squeeze_channels(x, "max")
    return [*squeeze_channels(hold_gate(across, channel), "mean"), *across]


def sums_after_squeezes(x, channel, position):
    squeezed, across = squeeze_positions(x, "mean"), squeeze_channels(x, "mean")
    return [
        apply_both(across, channel, position),
        apply_both(squeezed, channel, position, "sigmoid of sum"),
        add_shift(across, channel),
        add_shift(squeezed, channel),
        apply_gate(across, position),
    ]


USES = (
    held_with_a_statistic_twice,
    held_after_a_squeeze_of_channels,
    sums_after_squeezes,
    beside_the_features,
    two_gates,
    two_gates_across,
    no_gate,
    a_gate_after_one_that_is_held,
    held_twice,
    held_and_squeezed_twice,
    held_and_gated_twice,
    held_and_left_to_the_oracle,
    held_and_not_used,
    held_without_gradients,
    gated_without_gradients,
)
