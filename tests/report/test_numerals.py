import math

import pytest

from regard.report.numerals import duration, percent, points, short_count, size


@pytest.mark.parametrize("value", [None, math.nan])
def test_what_is_not_known_is_a_dash(value):
    assert percent(value) == points(value) == "–"


def test_a_sign_is_shown_only_where_digits_are():
    assert [points(d) for d in (0.0, -0.0004, 0.0004, -0.0006)] == ["0.0", "0.0", "0.0", "−0.1"]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1.00 k"), (999_400, "999 k"), (999_600, "1.00 M"), (28_088_024, "28.1 M")],
)
def test_large_counts_have_three_digits(number, text):
    assert short_count(number) == text


def test_bytes_go_by_1024():
    assert [size(n) for n in (512, 1024, 1024**3)] == ["512 B", "1.00 KiB", "1.00 GiB"]


def test_durations():
    assert [duration(s) for s in (0.123, 59.6, 3599.4, 3600)] == ["0.123 s", "1 min 0 s", "59 min 59 s", "1 h 0 min"]
