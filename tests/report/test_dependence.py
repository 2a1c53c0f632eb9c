import math

import pytest
from scipy import stats

from regard.report import AblationRow
from regard.report.dependence import depends_on_input, loss_p


def row(mode, accuracy, *, arm="se", seed=0, lost=(), gained=(), renormalised=False, n=1000):
    accuracies = accuracy if isinstance(accuracy, tuple) else (accuracy,)
    return AblationRow(
        arm=arm, seed=seed, mode=mode, renormalised=renormalised, accuracies=accuracies, n=n, lost=lost, gained=gained
    )


def three(frozen, swapped, **options):
    return [row("trained", 0.9, **options), row("mean", frozen, **options), row("swapped", swapped, **options)]


def test_both_losses_are_needed():
    assert depends_on_input(three(0.8, 0.7))[0].shown
    assert not depends_on_input(three(0.895, 0.7))[0].shown
    assert not depends_on_input(three(0.8, 0.895))[0].shown


def test_a_gain_is_no_dependence():
    (found,) = depends_on_input(three(0.95, 0.95))
    assert not found.shown
    assert found.frozen_loss == pytest.approx(-0.05)


def test_shuffled_and_neutral_maps_say_nothing_about_the_input():
    rows = [*three(0.9, 0.9), row("permuted", 0.1), row("neutral", 0.1)]
    assert not depends_on_input(rows)[0].shown
    (found,) = depends_on_input([row("trained", 0.9), row("permuted", 0.1), row("neutral", 0.1)])
    assert (found.shown, found.p) == (False, None)


def test_every_seed_and_recomputed_statistics_must_agree():
    assert not depends_on_input(three(0.8, 0.7) + three(0.9, 0.9, seed=1))[0].shown
    rows = [*three(0.8, 0.7), row("mean", 0.9, renormalised=True)]
    assert not depends_on_input(rows)[0].shown
    rows[-1] = row("mean", 0.8, renormalised=True)
    assert depends_on_input(rows)[0].shown


def test_counted_pictures_are_judged_by_mcnemar():
    trained, ablated = row("trained", 0.9), row("swapped", 0.885, lost=(20,), gained=(5,))
    assert loss_p(trained, ablated) == pytest.approx(stats.binomtest(20, 25).pvalue)
    assert loss_p(trained, row("swapped", 0.9, lost=(5,), gained=(5,))) == 1.0
    assert loss_p(trained, row("swapped", 0.9, lost=(0,), gained=(0,))) == 1.0


def test_of_several_draws_the_least_convincing_counts():
    trained = row("trained", 0.9)
    draws = row("swapped", (0.5, 0.89), lost=(400, 12), gained=(0, 2))
    assert loss_p(trained, draws) == pytest.approx(stats.binomtest(12, 14).pvalue)
    assert loss_p(trained, row("swapped", (0.5, 0.9))) == 1.0


def test_uncounted_pictures_are_judged_as_if_independent():
    error = math.sqrt((0.9 * 0.1 + 0.87 * 0.13) / 1000)
    assert loss_p(row("trained", 0.9), row("mean", 0.87)) == pytest.approx(2 * stats.norm.sf(0.03 / error), rel=0.02)
    assert loss_p(row("trained", 1.0), row("mean", 0.0)) < 1e-6


def test_p_values_are_corrected_over_the_arms():
    lost = dict(lost=(30,), gained=(10,))
    rows = []
    for arm in ("se", "eca", "cbam"):
        rows += [row("trained", 0.9, arm=arm), row("mean", 0.88, arm=arm, **lost)]
        rows += [row("swapped", 0.88, arm=arm, **lost)]
    alone = depends_on_input(rows[:3])[0].p
    assert [d.p for d in depends_on_input(rows)] == pytest.approx([3 * alone] * 3)
    assert [d.arm for d in depends_on_input(rows)] == ["se", "eca", "cbam"]
