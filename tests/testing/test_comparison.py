import math

import pytest
import torch

from regard.testing.comparison import agree, finite, largest
from regard.testing.outcomes import CheckFailedError

ONE_TO_THREE = torch.tensor([1.0, 2.0, 3.0])


def test_equal_tensors_agree_at_zero_tolerance():
    values = torch.tensor([0.0, -math.inf, math.inf, math.nan])
    agree(values, values.clone(), 0.0, "y")


@pytest.mark.parametrize("wrong", [1e-6, math.nan, math.inf, -math.inf])
def test_at_zero_tolerance_any_other_value_fails(wrong):
    with pytest.raises(CheckFailedError, match=r"y is .* where it should be 0"):
        agree(torch.tensor([1.0, wrong]), torch.tensor([1.0, 0.0]), 0.0, "y")


def test_the_tolerance_is_relative_to_the_largest_magnitude():
    agree(ONE_TO_THREE + 0.029, ONE_TO_THREE, 0.01, "y")
    with pytest.raises(CheckFailedError, match=r"y is 1\.031 where it should be 1: they may differ by 0\.03"):
        agree(ONE_TO_THREE + torch.tensor([0.031, 0, 0]), ONE_TO_THREE, 0.01, "y")


def test_a_scale_replaces_the_largest_magnitude():
    agree(ONE_TO_THREE + 0.9, ONE_TO_THREE, 0.01, "y", scale=100.0)


def test_another_shape_fails():
    with pytest.raises(CheckFailedError, match=r"y has shape \(1, 3\) where it should have \(3,\)"):
        agree(ONE_TO_THREE[None], ONE_TO_THREE, 0.0, "y")


def test_a_missing_infinity_fails():
    with pytest.raises(CheckFailedError):
        agree(ONE_TO_THREE, torch.tensor([1.0, 2.0, math.inf]), 0.01, "y")


def test_the_largest_magnitude_is_of_finite_values():
    assert largest(torch.tensor([-4.0, math.nan, math.inf])) == 4
    assert largest(torch.tensor([math.nan])) == 0


def test_finite_counts_what_is_not():
    finite(ONE_TO_THREE, "y")
    with pytest.raises(CheckFailedError, match="y has 2 of 3 values"):
        finite(torch.tensor([1.0, math.nan, math.inf]), "y")
