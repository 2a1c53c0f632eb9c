"""The conformance suite of temporal mechanisms: exact masks, steps and states, graphs, checked on yours."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import torch

from regard.core.errors import OptionError, unknown_name
from regard.core.seeding import use_seed
from regard.testing.checks import masks, step_graphs, steps
from regard.testing.outcomes import CheckFailedError, CheckSkippedError, Outcome, Report, brief
from regard.testing.sequential import Sequential, SequentialSubject, sequential_subject

TEMPORAL_CHECKS: Mapping[str, Callable[[SequentialSubject], None]] = MappingProxyType(
    {
        "shapes": steps.shapes,
        "mixed_lengths": masks.mixed_lengths,
        "padding": masks.padding,
        "one_query_sees_it": masks.one_query_sees_it,
        "nothing_allowed": masks.nothing_allowed,
        "weights": masks.weights,
        "without_weights": steps.without_weights,
        "step_by_step": steps.step_by_step,
        "taps": steps.taps_carry_the_weights,
        "dtypes": steps.dtypes,
        "gradcheck": steps.gradcheck,
        "unused_parameters": steps.unused_parameters,
        "wrong_input": steps.wrong_input,
        "copies": step_graphs.copies,
        "options": step_graphs.options,
        "compile": step_graphs.compile,
        "onnx": step_graphs.onnx,
    }
)
"""Every check by its name; its docstring is the promise."""


def check_temporal(
    mechanism: Sequential,
    *,
    query_size: int | None = None,
    key_size: int | None = None,
    checks: Iterable[str] | None = None,
    raise_on_failure: bool = True,
) -> Report:
    """Checks whether a temporal mechanism keeps its promises, on the CPU and mostly in float64.

    It works on copies. Checks of training are left out where two passes differ, as with noise: build it without.

    Args:
        mechanism: a `regard.core.Temporal`: its class or a function of query_size and key_size, so that options can be
            checked (`functools.partial(Mine, heads=4)`), or an instance.
        query_size: of the queries; by default 5, or an instance's.
        key_size: of the keys; by default 4, or an instance's.
        checks: names in `TEMPORAL_CHECKS`; by default all.
        raise_on_failure: raise where a check fails, instead of returning the report.

    Returns:
        What each check said.

    Raises:
        ConformanceError: a check failed; the text lists every failed check and why.
        OptionError: no temporal mechanism, or one that cannot be built.
        UnknownNameError: a check that does not exist.

    Example:
        >>> from regard.attention import find
        >>> print(check_temporal(find("additive"), checks=("mixed_lengths", "padding")))
        additive: 2 passed, 0 failed, 0 skipped
        passed  mixed_lengths
        passed  padding
    """
    asked = tuple(TEMPORAL_CHECKS) if checks is None else (checks,) if isinstance(checks, str) else tuple(checks)
    for name in asked:
        if name not in TEMPORAL_CHECKS:
            raise unknown_name("check", name, TEMPORAL_CHECKS)
    if not asked:
        raise OptionError(f"check_temporal: checks is empty; name some of {', '.join(TEMPORAL_CHECKS)}.")
    with warnings.catch_warnings(), use_seed("regard.testing"), torch.enable_grad():
        warnings.simplefilter("ignore")
        subject = sequential_subject(mechanism, query_size=query_size, key_size=key_size)
        report = Report(subject.name, tuple(_outcome(name, subject) for name in TEMPORAL_CHECKS if name in asked))
    if raise_on_failure:
        report.raise_on_failure()
    return report


def _outcome(name: str, subject: SequentialSubject) -> Outcome:
    try:
        TEMPORAL_CHECKS[name](subject)
    except CheckSkippedError as reason:
        return Outcome(name, "skipped", str(reason))
    except CheckFailedError as failure:
        return Outcome(name, "failed", str(failure))
    except Exception as error:
        return Outcome(name, "failed", f"It raised {brief(error)}.")
    return Outcome(name, "passed")
