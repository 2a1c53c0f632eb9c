import numpy as np
import pytest
from scipy import stats

from regard.explanation import Ablation, Row
from regard.report import AblationRow
from regard.report.dependence import ablation_losses, depends_on_input


def row(mode, accuracy, *, arm="se", seed=0, lost=(), gained=(), renormalised=False, n=1000):
    accuracies = accuracy if isinstance(accuracy, tuple) else (accuracy,)
    return AblationRow(
        arm=arm, seed=seed, mode=mode, renormalised=renormalised, accuracies=accuracies, n=n, lost=lost, gained=gained
    )


def three(frozen, swapped, **options):
    """Rows of a network that got 900 of 1,000 right and loses so many images with frozen and with swapped maps."""
    found = [row("trained", 0.9, **options)]
    for mode, lost in (("mean", frozen), ("swapped", swapped)):
        counts = {"lost": (max(lost, 0),), "gained": (max(-lost, 0),)}
        found.append(row(mode, 0.9 - lost / 1000, **counts, **options))
    return found


def test_both_losses_are_needed():
    assert depends_on_input(three(100, 200))[0].shown
    assert not depends_on_input(three(5, 200))[0].shown
    assert not depends_on_input(three(100, 5))[0].shown


def test_a_gain_is_no_dependence():
    (found,) = depends_on_input(three(-50, -50))
    assert not found.shown
    assert found.frozen_loss == pytest.approx(-0.05)


def test_shuffled_and_neutral_maps_do_not_count():
    others = [row(mode, 0.1, lost=(800,), gained=(0,)) for mode in ("permuted", "neutral")]
    assert not depends_on_input([*three(0, 0), *others])[0].shown
    (found,) = depends_on_input([row("trained", 0.9), *others])
    assert (found.shown, found.p) == (False, None)


def test_every_seed_and_recomputed_statistics_must_agree():
    assert not depends_on_input(three(100, 200) + three(0, 0, seed=1))[0].shown
    assert depends_on_input(three(100, 200) + three(100, 200, seed=1))[0].shown
    rows = [*three(100, 200), row("mean", 0.9, renormalised=True, lost=(0,), gained=(0,))]
    assert not depends_on_input(rows)[0].shown
    rows[-1] = row("mean", 0.8, renormalised=True, lost=(100,), gained=(0,))
    assert depends_on_input(rows)[0].shown


def test_a_seed_without_evidence_leaves_it_open():
    assert depends_on_input([*three(100, 200), row("trained", 0.9, seed=1)])[0].p is None


COUNTS = [((9,), (1,)), ((8,), (1,)), ((30, 25), (10, 9)), ((20,), (12,)), ((0,), (0,)), ((1,), (9,))]


@pytest.mark.parametrize("mean", COUNTS)
@pytest.mark.parametrize("swapped", COUNTS)
@pytest.mark.parametrize("others", [0, 4])
def test_ablate_and_a_report_of_many_arms_agree(mean, swapped, others):
    counted = {"trained": ((), ()), "mean": mean, "swapped": swapped}
    own = [
        Row(mode=mode, renormalised=False, draws=(0.9,), drop=None, lost=lost, gained=gained)
        for mode, (lost, gained) in counted.items()
    ]
    alone = Ablation(rows=tuple(own), images=1000, training_images=0, taps=(), seed=0)
    rows = [row(mode, 0.9, lost=lost, gained=gained) for mode, (lost, gained) in counted.items()]
    rows += [r for i in range(others) for r in three(0, 0, arm=f"other{i}")]
    assert depends_on_input(rows)[0].shown is alone.depends_on_input


def test_each_arm_has_its_own_p_value():
    lost = dict(lost=(30,), gained=(10,))
    rows = []
    for arm in ("se", "eca", "cbam"):
        rows += [row("trained", 0.9, arm=arm), row("mean", 0.88, arm=arm, **lost)]
        rows += [row("swapped", 0.88, arm=arm, **lost)]
    alone = stats.binomtest(30, 40).pvalue
    assert [d.p for d in depends_on_input(rows)] == pytest.approx([alone] * 3)
    assert [d.arm for d in depends_on_input(rows)] == ["se", "eca", "cbam"]


def test_losses_have_the_t_interval_of_their_seeds():
    """By SciPy, at the level of Bonferroni's correction over two arms in two modes."""
    drops = {"se": (0.20, 0.25, 0.22), "cbam": (0.01, -0.02, 0.00)}
    rows = [
        made
        for arm, lost in drops.items()
        for seed, drop in enumerate(lost)
        for made in (
            row("trained", 0.9, arm=arm, seed=seed),
            row("permuted", (0.9 - drop - 0.01, 0.9 - drop + 0.01), arm=arm, seed=seed),
            row("swapped", 0.9 - drop / 2, arm=arm, seed=seed),
        )
    ]
    found = {(one.arm, one.mode): one for one in ablation_losses(rows, ("permuted", "swapped"))}
    for (arm, mode), one in found.items():
        own = np.array(drops[arm]) / (2 if mode == "swapped" else 1)
        low, high = stats.t.interval(1 - 0.05 / 4, 2, own.mean(), stats.sem(own))
        assert (one.seeds, one.shown) == (3, arm == "se")
        assert one.mean == pytest.approx(own.mean())
        assert (one.interval.low, one.interval.high) == pytest.approx((low, high))


def test_one_network_has_no_interval():
    (one,) = ablation_losses([row("trained", 0.9), row("swapped", 0.8)], ("permuted", "swapped"))
    assert (one.interval, one.shown) == (None, False)
