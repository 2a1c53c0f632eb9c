import pytest

from regard.attention.temporal.multiplicative import Multiplicative
from regard.testing import check_temporal
from tests.testing.alignments import Careless, Leaky


@pytest.mark.parametrize(
    ("check", "says"),
    [
        ("padding", "with nan in masked positions a value of"),
        ("nothing_allowed", "that are infinite or not a number"),
        ("one_query_sees_it", "of a query that may not see it has"),
    ],
)
def test_masks_that_let_nan_through_are_found(check, says):
    report = check_temporal(Careless, checks=check, raise_on_failure=False)
    assert says in report[check].sentence


@pytest.mark.parametrize(
    ("check", "says"),
    [
        ("weights", "A weight is not 0 where the mask is False"),
        ("mixed_lengths", "of a sequence of 3 in a batch of 6 steps is"),
        ("nothing_allowed", "where nothing is allowed"),
    ],
)
def test_weights_that_leak_into_padding_are_found(check, says):
    report = check_temporal(Leaky, checks=check, raise_on_failure=False)
    assert says in report[check].sentence


def test_weights_out_of_range_are_found():
    class Doubled(Multiplicative):
        def forward(self, *given, **named):
            found = super().forward(*given, **named)
            return found._replace(weights=found.weights * 2)

    report = check_temporal(Doubled, checks="weights", raise_on_failure=False)
    assert "A weight lies outside the tap's range, 0 to 1" in report["weights"].sentence
