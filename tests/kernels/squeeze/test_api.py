import pytest
import torch

from regard.core import OptionError, ShapeError
from regard.kernels import squeeze_positions


def test_statistics_come_in_the_order_asked_for():
    x = torch.tensor([[[1.0, 5.0]]])
    assert [s.item() for s in squeeze_positions(x, "max", "mean", "std")] == [5.0, 3.0, 2.0]
    assert [s.item() for s in squeeze_positions(x, "mean", impl="reference")] == [3.0]


def test_an_unknown_statistic_is_refused():
    with pytest.raises(OptionError, match="statistics='median' is not allowed; choose one of 'mean', 'max'"):
        squeeze_positions(torch.zeros(1, 2, 3), "mean", "median")


def test_an_unavailable_implementation_is_refused():
    with pytest.raises(OptionError, match="squeeze_positions: impl='gpu' is not available here"):
        squeeze_positions(torch.zeros(1, 2, 3), "mean", impl="gpu")


def test_features_without_positions_are_refused():
    with pytest.raises(ShapeError, match=r"squeeze_positions: x has shape \(2, 3\)"):
        squeeze_positions(torch.zeros(2, 3), "mean")
