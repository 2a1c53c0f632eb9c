"""The public conformance suite: run it on an attention mechanism of your own."""

from regard.testing.inputs import features
from regard.testing.outcomes import ConformanceError, Outcome, Report
from regard.testing.suite import CHECKS, OPT_IN, check_attention
from regard.testing.temporal import TEMPORAL_CHECKS, check_temporal
from regard.testing.tolerance import allowed_difference, longest_sum

__all__ = [
    "CHECKS",
    "OPT_IN",
    "TEMPORAL_CHECKS",
    "ConformanceError",
    "Outcome",
    "Report",
    "allowed_difference",
    "check_attention",
    "check_temporal",
    "features",
    "longest_sum",
]
