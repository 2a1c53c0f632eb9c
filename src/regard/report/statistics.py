"""Statistics of comparisons with few seeds: intervals, corrected tests, and the smallest detectable difference.

Scores of one seed are paired: the arms share their backbone's first weights and their batches, so the noise of a
difference is that of the differences, not of the scores. Trials are the unit; the images stay the same, so
every conclusion is about other seeds with these images. SciPy is imported when a function runs.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from regard.core.errors import OptionError
from regard.core.scores import PERCENT, Score
from regard.report.results import PLAIN, Arm, Comparison, Interval, Trial, Verdict

ALPHA = 0.05
POWER = 0.8
WORTHWHILE = 0.005
SMALL_SHARE = 0.01
MOST_SEEDS = 100_000
SAME = 1e-9


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval | None:
    """The t interval of the mean of `values`; None for fewer than two, which have no variance.

    >>> t_interval([0.80, 0.82, 0.84])
    Interval(low=0.770..., high=0.869..., level=0.95)
    """
    from scipy import stats

    if len(values) < 2:
        return None
    mean, half = _mean(values), float(stats.t.ppf((1 + level) / 2, len(values) - 1)) * _standard_error(values)
    return Interval(low=mean - half, high=mean + half, level=level)


def paired_p(differences: Sequence[float]) -> float | None:
    """Two-sided p value of the t test that the mean difference is 0.

    None if there is no variance to test against: fewer than two differences, or all equal. A few seeds that happen
    to agree are no proof that all would, and a variance of 0 would make any difference significant.
    """
    from scipy import stats

    if len(differences) < 2 or max(differences) - min(differences) < SAME:
        return None
    t = _mean(differences) / _standard_error(differences)
    return float(2 * stats.t.sf(abs(t), len(differences) - 1))


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Holm's adjusted p values: rejecting all below 0.05 has a family-wise error of at most 5 %.

    The smallest is multiplied by the number m of tests, the next by m - 1, and so on; none falls below the one
    before it. A test that could not be made (None) is not counted in m.

    >>> holm([0.01, 0.04, None, 0.03])
    (0.03, 0.06, None, 0.06)
    """
    order = sorted((i for i, p in enumerate(p_values) if p is not None), key=lambda i: _number(p_values[i]))
    adjusted: list[float | None] = [None] * len(p_values)
    so_far = 0.0
    for rank, i in enumerate(order):
        so_far = max(so_far, min(1.0, (len(order) - rank) * _number(p_values[i])))
        adjusted[i] = so_far
    return tuple(adjusted)


def holm_levels(p_values: Sequence[float | None], alpha: float = ALPHA) -> tuple[float, ...]:
    """For each test the level of the interval that excludes 0 exactly where Holm's procedure rejects.

    A rejected test is compared with alpha / (m - rank); from the first that is not rejected on, all are compared with
    that one's threshold.
    Every level is at least 1 - alpha, so each interval covers at least as often as a single one.

    >>> [round(level, 4) for level in holm_levels([0.001, 0.5, 0.04])]
    [0.9833, 0.975, 0.975]
    """
    order = sorted((i for i, p in enumerate(p_values) if p is not None), key=lambda i: _number(p_values[i]))
    levels = [1 - alpha / max(1, len(order))] * len(p_values)
    share, stopped = alpha, False
    for rank, i in enumerate(order):
        share = share if stopped else alpha / (len(order) - rank)
        stopped = stopped or _number(p_values[i]) > share
        levels[i] = 1 - share
    return tuple(levels)


def power(difference: float, std: float, seeds: int, alpha: float = ALPHA) -> float:
    """The power of a two-sided paired t test for a true `difference`.

    The tail of the noncentral t distribution, as the mean over the sample variance of two normal tails: SciPy's own
    returns NaN for some values with few degrees of freedom.

    Args:
        difference: the true mean difference.
        std: the standard deviation of a pair's difference; over 0.
        seeds: pairs, at least 2.
        alpha: the test's level.
    """
    import numpy as np
    from scipy import special, stats

    freedom = seeds - 1
    limit = float(stats.t.ppf(1 - alpha / 2, freedom))
    shift = abs(difference) / std * math.sqrt(seeds)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    spread = np.sqrt(special.chdtri(freedom, 1 - (nodes + 1) / 2) / freedom)
    tails = special.ndtr(shift - limit * spread) + special.ndtr(-shift - limit * spread)
    return float(weights @ tails / 2)


def smallest_detectable(std: float, seeds: int, alpha: float = ALPHA, wanted: float = POWER) -> float | None:
    """The smallest true difference that `seeds` pairs find with power `wanted`; None for fewer than two pairs.

    >>> round(smallest_detectable(1.0, 10), 2)
    1.0
    """
    from scipy import optimize

    if seeds < 2 or std <= 0:
        return None
    high = 1.0
    while power(high, 1.0, seeds, alpha) < wanted:
        high *= 2
    found = optimize.brentq(lambda d: power(d, 1.0, seeds, alpha) - wanted, 0.0, high, xtol=1e-9)
    return float(found) * std


def seeds_for(difference: float, std: float, alpha: float = ALPHA, wanted: float = POWER) -> int | None:
    """The fewest seeds that find a true `difference` with power `wanted`; None if over 100,000 would be needed.

    >>> seeds_for(1.0, 1.0)
    10
    """
    if std <= 0 or difference == 0:
        return None
    low, high = 1, 2
    while power(difference, std, high, alpha) < wanted:
        low, high = high, 2 * high
        if high > MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(difference, std, middle, alpha) >= wanted else (middle, high)
    return high


def compare_arms(arms: Sequence[Arm], trials: Sequence[Trial], reference: str = PLAIN) -> tuple[Comparison, ...]:
    """Compares every arm with the reference on paired seeds, corrected over all arms that could be tested.

    The score of choice is used, on test if every trial of these arms was scored there, otherwise on validation.

    Args:
        arms: in the order of the result.
        trials: of all arms; a seed counts for a pair if both arms have it.
        reference: spec of the arm that the others are compared with.

    Returns:
        One comparison for each arm that has trials; that of the reference has no difference.

    Raises:
        OptionError: the reference has no trials.
    """
    split = "test" if all(t.test is not None for t in trials) else "val"
    scores: dict[str, dict[int, Score]] = {}
    for trial in trials:
        outcome = trial.test if split == "test" and trial.test is not None else trial.val
        scores.setdefault(trial.arm, {})[trial.seed] = outcome.scores.chosen
    if reference not in scores:
        raise OptionError(
            f"reference={reference!r} has no trials, so nothing can be compared with it; there are trials of "
            f"{', '.join(sorted(scores)) or 'no arm'}."
        )
    found = [
        _compare_one(arm.spec, reference, split, scores[arm.spec], scores[reference])
        for arm in arms
        if arm.spec in scores
    ]
    return _correct(found, scores)


def best_arm(arms: Sequence[Arm], trials: Sequence[Trial]) -> str | None:
    """The spec of the arm with the best mean on validation, whichever direction is better; None without any."""
    best: str | None = None
    means = mean_scores(arms, trials)
    for spec, score in means.items():
        if score.beats(means[best].value if best else None):
            best = spec
    return best


def mean_scores(arms: Sequence[Arm], trials: Sequence[Trial]) -> dict[str, Score]:
    """The mean over trials of the score of choice on validation, by arm."""
    found: dict[str, Score] = {}
    for arm in arms:
        scores = [trial.val.scores.chosen for trial in trials if trial.arm == arm.spec]
        if scores:
            found[arm.spec] = replace(scores[0], value=_mean([score.value for score in scores]))
    return found


def _worthwhile(unit: str, reference: Sequence[float]) -> float:
    """A small difference that is still of practical use."""
    return WORTHWHILE if unit == PERCENT else SMALL_SHARE * abs(_mean(reference))


def _differences(own: dict[int, Score], other: dict[int, Score]) -> list[float]:
    return [own[seed].value - other[seed].value for seed in own if seed in other]


def _compare_one(arm: str, reference: str, split: str, own: dict[int, Score], other: dict[int, Score]) -> Comparison:
    """Means and the uncorrected p value of one arm."""
    values = [score.value for score in own.values()]
    differences = _differences(own, other) if arm != reference else []
    kind = next(iter(own.values()))
    return Comparison(
        arm=arm,
        reference=reference,
        split="test" if split == "test" else "val",
        seeds=len(differences) if arm != reference else len(values),
        score=replace(kind, value=_mean(values)),
        interval=t_interval(values),
        difference=_mean(differences) if differences else None,
        difference_interval=None,
        p=paired_p(differences),
        verdict=None if arm == reference else "not tested",
        detectable=None,
        worthwhile=_worthwhile(kind.unit, [score.value for score in other.values()]),
        seeds_needed=None,
    )


def _correct(found: Sequence[Comparison], scores: dict[str, dict[int, Score]]) -> tuple[Comparison, ...]:
    """Holm's correction over the comparisons that have a p value, and the differences that the design could detect."""
    p_values = [c.p for c in found]
    first_step = ALPHA / max(1, sum(p is not None for p in p_values))
    compared = []
    for one, p, level in zip(found, holm(p_values), holm_levels(p_values), strict=True):
        if p is None:
            compared.append(one)
            continue
        differences = _differences(scores[one.arm], scores[one.reference])
        std = _standard_error(differences) * math.sqrt(len(differences))
        compared.append(
            replace(
                one,
                p=p,
                verdict=_verdict(p, one.score.gain(_mean(differences), 0.0)),
                difference_interval=t_interval(differences, level),
                detectable=smallest_detectable(std, len(differences), first_step),
                seeds_needed=seeds_for(one.worthwhile, std, first_step),
            )
        )
    return tuple(compared)


def _verdict(p: float, gain: float) -> Verdict:
    if p > ALPHA:
        return "within noise"
    return "better" if gain > 0 else "worse"


def _number(p: float | None) -> float:
    return math.inf if p is None else p


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _standard_error(values: Sequence[float]) -> float:
    mean = _mean(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))
