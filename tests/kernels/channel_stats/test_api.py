import pytest
import torch

from regard.core import OptionError, ShapeError
from regard.kernels import squeeze_channels


def test_statistics_come_in_the_order_asked_for():
    x = torch.tensor([[[1.0], [5.0]]])
    assert [s.item() for s in squeeze_channels(x, "max", "mean")] == [5.0, 3.0]
    assert [s.item() for s in squeeze_channels(x, "mean", "max", impl="reference")] == [3.0, 5.0]


def test_an_unknown_statistic_is_refused():
    with pytest.raises(OptionError, match="statistics='std' is not allowed; choose one of 'mean', 'max'"):
        squeeze_channels(torch.zeros(1, 2, 3), "std")


def test_an_unavailable_implementation_is_refused():
    with pytest.raises(OptionError, match="squeeze_channels: impl='triton' is not available here"):
        squeeze_channels(torch.zeros(1, 2, 3), "mean", impl="triton")


def test_features_without_positions_are_refused():
    with pytest.raises(ShapeError, match=r"squeeze_channels: x has shape \(2, 3\)"):
        squeeze_channels(torch.zeros(2, 3), "mean")
