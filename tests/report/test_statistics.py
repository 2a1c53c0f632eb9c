import math

import numpy as np
import pytest
from scipy import stats

from regard.core import OptionError
from regard.report import Arm, Outcome, Trial
from regard.report.statistics import (
    best_arm,
    compare_arms,
    holm,
    holm_levels,
    paired_p,
    power,
    seeds_for,
    smallest_detectable,
    t_interval,
)
from tests.report.conftest import scores_of


def trial(arm, seed, val, test=None):
    def scores(accuracy):
        return Outcome(n=1000, scores=scores_of(accuracy=accuracy, loss=0.5))

    return Trial(
        arm=arm,
        seed=seed,
        epochs=1,
        history=(),
        val=scores(val),
        test=None if test is None else scores(test),
        seconds=1.0,
        weights="w",
    )


def arms(*specs):
    return tuple(Arm(spec=s, name=s, is_control=False, parameters=1, macs=1, sites=1) for s in specs)


def compare_table(table, **options):
    trials = [trial(arm, seed, a, a) for arm, row in table.items() for seed, a in enumerate(row)]
    return {c.arm: c for c in compare_arms(arms(*table), trials, **options)}


@pytest.mark.parametrize(("n", "half_width"), [(3, 2.48), (5, 1.24), (10, 0.72)])
def test_interval_half_width_matches_tables(n, half_width):
    values = np.random.default_rng(n).normal(size=n)
    interval = t_interval(values)
    assert (interval.high - interval.low) / 2 / values.std(ddof=1) == pytest.approx(half_width, abs=0.006)


def test_the_interval_is_scipy_s():
    values = [0.81, 0.84, 0.86, 0.83]
    low, high = stats.t.interval(0.99, 3, loc=np.mean(values), scale=stats.sem(values))
    interval = t_interval(values, 0.99)
    assert (interval.low, interval.high, interval.level) == (pytest.approx(low), pytest.approx(high), 0.99)


def test_one_value_has_no_interval():
    assert t_interval([0.8]) is None
    assert paired_p([0.1]) is None


def test_interval_has_its_nominal_coverage():
    draw = np.random.default_rng(0)
    intervals = [t_interval(row) for row in draw.normal(0.3, 2.0, (4000, 3))]
    covered = np.mean([i.low <= 0.3 <= i.high for i in intervals])
    assert covered == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 4000))


def test_the_paired_test_is_scipy_s():
    draw = np.random.default_rng(1)
    for n in (2, 3, 8):
        one, other = draw.normal(size=(2, n))
        assert paired_p(one - other) == pytest.approx(stats.ttest_rel(one, other).pvalue)


def test_equal_differences_are_not_tested():
    assert paired_p([0.85 - 0.84, 0.75 - 0.74, 0.95 - 0.94]) is None


def test_holm_on_a_table_worked_by_hand():
    assert holm([0.01, 0.02, 0.03, 0.005]) == pytest.approx([0.03, 0.04, 0.04, 0.02])
    assert holm([0.7, 0.6]) == pytest.approx([1.0, 1.0])
    assert holm([]) == ()
    assert holm([None, 0.04]) == (None, pytest.approx(0.04))


def test_holm_controls_the_familywise_error():
    draw, families, m = np.random.default_rng(2), 1500, 6
    raw = compared = 0
    for _ in range(families):
        plain = draw.normal(size=3)
        p = [paired_p(draw.normal(size=3) - plain) for _ in range(m)]
        raw += min(p) <= 0.05
        compared += min(holm(p)) <= 0.05
    assert compared / families <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / families)
    assert raw / families > 0.1


def test_holm_interval_excludes_zero_iff_rejected():
    draw, rejected = np.random.default_rng(3), 0
    for _ in range(300):
        rows = [draw.normal(draw.choice([0, 3]), 1, 4) for _ in range(5)]
        p = [paired_p(row) for row in rows]
        for row, adjusted, level in zip(rows, holm(p), holm_levels(p), strict=True):
            interval = t_interval(row, level)
            assert (interval.low > 0 or interval.high < 0) == (adjusted <= 0.05)
            assert level >= 0.95
            rejected += adjusted <= 0.05
    assert 100 < rejected < 1400


def test_power_matches_scipys_noncentral_t():
    checked = 0
    for n in (2, 3, 5, 10, 40):
        for alpha in (0.05, 0.05 / 6):
            for difference in (0.0, 0.3, 1.0, 3.0):
                limit, shift = stats.t.ppf(1 - alpha / 2, n - 1), difference * math.sqrt(n)
                tabled = stats.nct.sf(limit, n - 1, shift) + stats.nct.cdf(-limit, n - 1, shift)
                if math.isfinite(tabled):
                    assert power(difference, 1.0, n, alpha) == pytest.approx(tabled, abs=1e-5)
                    checked += 1
    assert checked > 35


@pytest.mark.parametrize(("n", "alpha"), [(3, 0.05), (3, 0.05 / 6), (5, 0.05 / 6)])
def test_smallest_detectable_difference_has_power_80_percent(n, alpha):
    difference = smallest_detectable(0.7, n, alpha)
    samples = np.random.default_rng(4).normal(difference, 0.7, (20000, n))
    found = np.mean(stats.ttest_1samp(samples, 0, axis=1).pvalue <= alpha)
    assert found == pytest.approx(0.8, abs=4 * math.sqrt(0.16 / 20000))


def test_seeds_for_is_the_fewest_with_power():
    for std in (0.002, 0.01, 0.04):
        n = seeds_for(0.005, std, 0.01)
        assert power(0.005, std, n, 0.01) >= 0.8
        assert n == 2 or power(0.005, std, n - 1, 0.01) < 0.8


def test_textbook_sample_sizes():
    """Two-sided 5 %, power 80 %: 34 pairs for half a std, 199 for a fifth, as in Cohen's tables."""
    assert seeds_for(0.5, 1.0) == 34
    assert seeds_for(0.2, 1.0) == 199


def test_what_cannot_be_reached_is_not_named():
    assert seeds_for(1e-6, 1.0) is None
    assert smallest_detectable(0.01, 1) is None


TABLE = {
    "none": (0.800, 0.810, 0.805, 0.795),
    "good": (0.830, 0.841, 0.834, 0.826),
    "bad": (0.760, 0.771, 0.764, 0.756),
    "noisy": (0.85, 0.78, 0.83, 0.77),
}


def test_verdicts_differences_and_corrected_p_values():
    found = compare_table(TABLE)
    assert {arm: c.verdict for arm, c in found.items()} == {
        "none": None, "good": "better", "bad": "worse", "noisy": "within noise",
    }  # fmt: skip
    raw = {arm: stats.ttest_rel(TABLE[arm], TABLE["none"]).pvalue for arm in ("good", "bad", "noisy")}
    ordered = sorted(raw, key=raw.get)
    assert found[ordered[0]].p == pytest.approx(3 * raw[ordered[0]])
    assert found["noisy"].p == pytest.approx(raw["noisy"])
    assert found["good"].difference == pytest.approx(np.mean(TABLE["good"]) - np.mean(TABLE["none"]))
    assert found["good"].score.value == pytest.approx(np.mean(TABLE["good"]))
    std = np.std(np.subtract(TABLE["noisy"], TABLE["none"]), ddof=1)
    assert power(found["noisy"].detectable, std, 4, 0.05 / 3) == pytest.approx(0.8, abs=1e-6)
    assert found["noisy"].seeds_needed > 100


def test_the_reference_has_a_mean_and_nothing_else():
    one = compare_table(TABLE)["none"]
    assert one.interval is not None
    assert (one.difference, one.p, one.verdict, one.detectable) == (None, None, None, None)


def test_another_reference():
    found = compare_table(TABLE, reference="good")
    assert found["none"].difference < 0
    assert found["good"].verdict is None
    assert {c.reference for c in found.values()} == {"good"}


def test_one_seed_gives_differences_and_no_verdict():
    found = compare_table({"none": (0.8,), "se": (0.9,)})["se"]
    assert found.difference == pytest.approx(0.1)
    assert (found.verdict, found.p, found.difference_interval, found.seeds) == ("not tested", None, None, 1)


def test_untestable_arm_does_not_weaken_others():
    both = compare_table({"none": (0.80, 0.81, 0.79), "se": (0.82, 0.84, 0.80), "same": (0.80, 0.81, 0.79)})
    alone = compare_table({"none": (0.80, 0.81, 0.79), "se": (0.82, 0.84, 0.80)})
    assert both["same"].verdict == "not tested"
    assert both["same"].difference == 0
    assert both["se"].p == alone["se"].p


def test_only_seeds_that_both_have_are_paired():
    trials = [trial("none", s, 0.8 + 0.01 * s, 0.8) for s in range(4)] + [trial("se", s, 0.9, 0.9) for s in (2, 3, 9)]
    (_, se) = compare_arms(arms("none", "se"), trials)
    assert se.seeds == 2


def test_validation_is_used_if_test_is_incomplete():
    trials = [trial("none", 0, 0.7, 0.8), trial("se", 0, 0.75, None)]
    none, se = compare_arms(arms("none", "se"), trials)
    assert (none.split, none.score.value, se.score.value) == ("val", 0.7, 0.75)


def test_a_reference_without_trials_is_refused():
    with pytest.raises(OptionError, match=r"reference='none' has no trials.*se"):
        compare_arms(arms("se"), [trial("se", 0, 0.8)])


def test_a_lower_error_is_better(results, errors):
    by_accuracy = {c.arm: c for c in results.against()}
    for one in errors.against():
        other = by_accuracy[one.arm]
        assert one.verdict == other.verdict
        assert one.p == pytest.approx(other.p) if other.p else one.p is None
        if one.difference is not None:
            assert one.difference == pytest.approx(-10 * other.difference)


def test_best_arm_has_the_lowest_error(results, errors):
    means = {
        a.spec: np.mean([t.val.scores["accuracy"] for t in results.trials if t.arm == a.spec]) for a in results.arms
    }
    assert best_arm(results.arms, results.trials) == best_arm(errors.arms, errors.trials) == max(means, key=means.get)
    assert best_arm((), errors.trials) is None


def test_what_is_worth_having_follows_the_unit(results, errors):
    assert {c.worthwhile for c in results.against()} == {0.005}
    plain = errors.against()[0]
    assert plain.worthwhile == pytest.approx(0.01 * plain.score.value)
    found = next(c for c in errors.against() if c.seeds_needed)
    own, other = (
        {t.seed: t.test.scores.chosen.value for t in errors.trials if t.arm == a} for a in (found.arm, "none")
    )
    std = np.std([own[s] - other[s] for s in own], ddof=1)
    assert power(found.worthwhile, std, found.seeds_needed, 0.05 / 6) >= 0.8
