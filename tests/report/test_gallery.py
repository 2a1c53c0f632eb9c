import math

import pytest

from regard.report import ActiveChannels


@pytest.mark.parametrize(
    ("weight", "high", "length"),
    [(0.25, 1.0, 0.25), (1.5, 2.0, 0.75), (3.0, 2.0, 1.0), (-0.5, 1.0, 0.0), (0.0, 0.0, 0.0), (2.0, -1.0, 0.0),
     (0.5, math.inf, 0.0), (math.nan, 1.0, 0.0)],
)  # fmt: skip
def test_bar_is_share_of_largest_weight(weight, high, length):
    ((number, shown, bar),) = ActiveChannels(arm="se", tap="gate", channels=8, top=((5, weight),), high=high).bars()
    assert (number, bar) == (5, length)
    assert shown == weight or math.isnan(weight)
