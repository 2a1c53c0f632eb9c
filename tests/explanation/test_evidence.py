import math

import pytest
import torch

from regard.core.dependence import sign_test
from regard.explanation.evidence import paired_drop


def changed(n, lost, gained):
    before, after = torch.zeros(n), torch.zeros(n)
    before[:lost] = 1
    after[lost : lost + gained] = 1
    return before, after


def test_interval_agrees_with_the_exact_test():
    for gained in range(0, 40, 3):
        for lost in range(gained + 1, 80):
            low = paired_drop(*changed(400, lost, gained)).low
            if sign_test(lost, gained) <= 0.05:
                assert low > 0, (lost, gained)
            if sign_test(lost + 2, gained) > 0.05:
                assert low <= 0, (lost, gained)


def test_interval_has_its_nominal_coverage():
    random = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(2000):
        draw = torch.rand(300, generator=random)
        before, after = (draw < 0.05).double(), ((draw >= 0.05) & (draw < 0.07)).double()
        drop = paired_drop(before, after)
        covered += drop.low <= 3.0 <= drop.high
    assert abs(covered / 2000 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 2000) + 0.01


def test_drop_is_difference_of_accuracies_in_points():
    before, after = changed(200, 30, 10)
    drop = paired_drop(before, after)
    assert drop.points == pytest.approx(10.0)
    assert drop.low < 10.0 < drop.high
