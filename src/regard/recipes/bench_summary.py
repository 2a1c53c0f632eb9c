"""The figures of the bench's tables, all derived from its record."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from regard.recipes.bench_results import AUTO, COMPILED, COPY, EAGER, REFERENCE, Case, Mode, Regime
from regard.recipes.shapes import format_shape

COPY_SHAPE = (256, 56, 56)
"""The channels and sizes at which times are given in copies, where the bench has them."""

NO_TWIN = "none"
"""The beginning of the name of a twin that does not exist; the reason follows."""

EQUAL = 0.005
"""The part by which ours may be slower and still count as equally fast."""

MODES: dict[Mode, str] = {"inference": "inference", "training": "forward + backward"}
"""The passes of a module, in words."""


@dataclass(frozen=True)
class Gain:
    """The time of another contestant divided by ours, over several cases.

    Attributes:
        mean: geometric mean over the cases.
        low: the smallest; below 1 ours is slower.
        high: the largest.
        cases: number of cases.
    """

    mean: float
    low: float
    high: float
    cases: int


@dataclass(frozen=True, kw_only=True)
class Row:
    """A mechanism's results over all shapes of one batch size.

    Attributes:
        mechanism: its name, with options.
        mode: `inference` or `training`.
        batch: number of images.
        eager: against the twin; None where there is none.
        compiled: against the compiled twin.
        reference: against ours in plain PyTorch.
        copies: the time at `COPY_SHAPE` in copies of the input, a geometric mean over layouts; None where it was not
            measured.
        twin: the twin's library.
    """

    mechanism: str
    mode: Mode
    batch: int
    eager: Gain | None
    compiled: Gain | None
    reference: Gain | None
    copies: float | None
    twin: str


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A case in which another contestant is faster than ours.

    Attributes:
        case: the case.
        other: the contestant.
        times: how many times as long ours takes.
    """

    case: Case
    other: str
    times: float

    def __str__(self) -> str:
        name = self.case.twin.partition(".")[0] + (", compiled" if self.other == COMPILED else "")
        return f"{describe(self.case)}: {self.times:.2f} times as long as {name}"


def summarise(cases: Sequence[Case]) -> list[Row]:
    """Summarises the cases of single modules by mechanism, pass and batch size.

    Large batches come first, then inference before training.
    """
    groups: dict[tuple[str, Mode, int], list[Case]] = {}
    for case in cases:
        if not case.network:
            groups.setdefault((case.mechanism, case.mode, case.shape[0]), []).append(case)
    return [_row(groups[key]) for key in sorted(groups, key=lambda key: (-key[2], list(MODES).index(key[1])))]


def losses(cases: Iterable[Case]) -> list[Loss]:
    """The cases in which the twin, compiled or not, is faster than ours by more than `EQUAL`, the worst first."""
    found = [
        Loss(case=case, other=other, times=1 / times)
        for case in cases
        for other in (EAGER, COMPILED)
        if (times := case.times_faster(other)) is not None and 1 / times >= 1 + EQUAL
    ]
    return sorted(found, key=lambda loss: -loss.times)


@dataclass(frozen=True, kw_only=True)
class Saving:
    """The effect of memory reuse on a mechanism over all its cases.

    Attributes:
        mechanism: its name, with options.
        mode: `inference` or `training`.
        ours: how many times as long our pass takes without it, a geometric mean.
        twin: the same of the twin; None where there is none.
        faults: page faults of our pass without and with it, in the mean; None where the system does not count them.
    """

    mechanism: str
    mode: Mode
    ours: float
    twin: float | None
    faults: tuple[float, float] | None


def savings(without: Regime, reused: Regime) -> list[Saving]:
    """The effect of memory reuse on every mechanism that both regimes have."""
    known = {describe(case): case for case in reused.cases}
    groups: dict[tuple[str, Mode], list[tuple[Case, Case]]] = {}
    for case in without.cases:
        other = known.get(describe(case))
        if not case.network and other is not None and AUTO in case.timings and AUTO in other.timings:
            groups.setdefault((case.mechanism, case.mode), []).append((case, other))
    return [
        Saving(
            mechanism=mechanism,
            mode=mode,
            ours=_ratio(pairs, AUTO) or math.nan,
            twin=_ratio(pairs, EAGER),
            faults=_faults(pairs),
        )
        for (mechanism, mode), pairs in groups.items()
    ]


def _ratio(pairs: Sequence[tuple[Case, Case]], contestant: str) -> float | None:
    found = [
        case.timings[contestant].seconds / other.timings[contestant].seconds
        for case, other in pairs
        if contestant in case.timings and contestant in other.timings
    ]
    return geometric_mean(found) if found else None


def _faults(pairs: Sequence[tuple[Case, Case]]) -> tuple[float, float] | None:
    found = [(case.timings[AUTO].page_faults, other.timings[AUTO].page_faults) for case, other in pairs]
    counted = [(a, b) for a, b in found if a is not None and b is not None]
    if not counted:
        return None
    return sum(a for a, _ in counted) / len(counted), sum(b for _, b in counted) / len(counted)


def refusals(cases: Sequence[Case]) -> Iterator[str]:
    """A sentence for each twin that is missing, and for each contestant that was not timed."""
    for mechanism, reason in dict.fromkeys((case.mechanism, case.twin) for case in cases if not _has_twin(case)):
        yield f"{mechanism} was not measured against a twin: {reason.removeprefix(f'{NO_TWIN}: ')}"
    names = {AUTO: "regard", REFERENCE: "regard in plain PyTorch"}
    for case in cases:
        for other, reason in case.refused.items():
            twin = case.twin.partition(".")[0] + (", compiled," if other == COMPILED else "")
            yield f"{describe(case)}: {names.get(other, twin)} was not timed: {reason}"


def _has_twin(case: Case) -> bool:
    return not case.twin.startswith(NO_TWIN)


def describe(case: Case) -> str:
    """Describes a case in a few words.

    >>> describe(Case(mechanism="se", shape=(1, 64, 56, 56), layout="contiguous", mode="inference", twin="none",
    ...               timings={}, refused={}))
    'se 1x64x56x56, contiguous, inference'
    """
    mode = case.mode if case.network else MODES[case.mode]
    name = f"{case.network} with {case.mechanism}" if case.network else case.mechanism
    return f"{name} {format_shape(case.shape)}, {case.layout}, {mode}"


def geometric_mean(values: Sequence[float]) -> float:
    """The geometric mean.

    >>> geometric_mean([1.0, 4.0])
    2.0
    """
    return math.exp(sum(map(math.log, values)) / len(values))


def in_copies(case: Case, contestant: str = AUTO) -> float | None:
    """The time of a contestant in copies of the input; None where it was not timed."""
    if contestant not in case.timings or COPY not in case.timings:
        return None
    return case.timings[contestant].ratio / case.timings[COPY].ratio


def copies_of(cases: Iterable[Case], contestant: str = AUTO) -> float | None:
    """The geometric mean of the times in copies at `COPY_SHAPE`; None where there are none."""
    found = [in_copies(case, contestant) for case in cases if case.shape[1:] == COPY_SHAPE]
    known = [value for value in found if value is not None]
    return geometric_mean(known) if known else None


def _row(cases: Sequence[Case]) -> Row:
    first = next(filter(_has_twin, cases), cases[0])
    return Row(
        mechanism=first.mechanism,
        mode=first.mode,
        batch=first.shape[0],
        eager=_gain(cases, EAGER),
        compiled=_gain(cases, COMPILED),
        reference=_gain(cases, REFERENCE),
        copies=copies_of(cases),
        twin=first.twin.partition(".")[0].partition(":")[0],
    )


def _gain(cases: Iterable[Case], other: str) -> Gain | None:
    values = [times for case in cases if (times := case.times_faster(other)) is not None]
    return Gain(geometric_mean(values), min(values), max(values), len(values)) if values else None
