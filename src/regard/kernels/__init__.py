"""Memory-bound primitives that the mechanisms are composed of, each with an oracle in plain PyTorch."""

from regard.kernels.axes.api import SqueezedAxes, apply_axis_gates, squeeze_axes
from regard.kernels.branch_select.api import select_branches, squeeze_branches
from regard.kernels.channel_stats.api import squeeze_channels
from regard.kernels.choice import use
from regard.kernels.gate.api import add_shift, apply_both, apply_gate, hold_gate
from regard.kernels.pair_score.api import score_pairs
from regard.kernels.planes.api import convolve_planes
from regard.kernels.squeeze.api import squeeze_positions
from regard.kernels.squeezed import Held, Squeezed, SqueezedBranches
from regard.kernels.weighted_sum.api import sum_channels, sum_positions

__all__ = [
    "Held",
    "Squeezed",
    "SqueezedAxes",
    "SqueezedBranches",
    "add_shift",
    "apply_axis_gates",
    "apply_both",
    "apply_gate",
    "convolve_planes",
    "hold_gate",
    "score_pairs",
    "select_branches",
    "squeeze_axes",
    "squeeze_branches",
    "squeeze_channels",
    "squeeze_positions",
    "sum_channels",
    "sum_positions",
    "use",
]
