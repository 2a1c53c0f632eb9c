from dataclasses import dataclass

import pytest
from scipy import stats

from regard.core.dependence import dependence_p, is_shown, loss_p, sign_test


@dataclass(frozen=True)
class Counted:
    mode: str
    lost: tuple[int, ...] = ()
    gained: tuple[int, ...] = ()


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (1, 0), (6, 0), (3, 3), (2, 9), (40, 21), (3000, 2800)])
def test_the_sign_test_is_mcnemars(lost, gained):
    expected = stats.binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
    assert sign_test(lost, gained) == pytest.approx(expected)


def test_a_draw_without_loss_has_p_one():
    assert loss_p(Counted("mean", (5,), (5,))) == 1.0
    assert loss_p(Counted("mean", (1,), (20,))) == 1.0
    assert loss_p(Counted("mean", (0,), (0,))) == 1.0


def test_the_least_convincing_draw_counts():
    assert loss_p(Counted("swapped", (400, 12), (0, 2))) == pytest.approx(stats.binomtest(12, 14).pvalue)


def test_both_modes_are_needed():
    mean, swapped = Counted("mean", (9,), (1,)), Counted("swapped", (90,), (1,))
    assert dependence_p([mean, swapped]) == pytest.approx(stats.binomtest(9, 10).pvalue)
    assert dependence_p([mean]) is None
    assert dependence_p([mean, Counted("permuted", (90,), (0,))]) is None


def test_uncounted_evidence_shows_nothing():
    assert dependence_p([Counted("mean", (9,), (1,)), Counted("swapped")]) is None
    assert loss_p(Counted("mean")) is None


def test_the_level_is_five_percent():
    assert [is_shown(p) for p in (None, 0.05, 0.051)] == [None, True, False]
