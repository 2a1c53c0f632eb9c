import pytest

from regard.attention.widths import group_count, hidden_width
from regard.core import OptionError


def test_a_hidden_width_is_rounded_down_and_never_zero():
    assert [hidden_width("se", c, 16) for c in (1, 15, 16, 31, 32, 2048)] == [1, 1, 1, 1, 2, 128]


def test_a_default_number_of_groups_divides_all_channels():
    for channels in range(1, 200):
        groups = group_count("sk", None, 32, channels, 2 * channels)
        assert channels % groups == 0
        assert 32 % groups == 0
        assert all(channels % more or 32 % more for more in range(groups + 1, 33))


def test_an_explicit_number_of_groups_must_divide():
    assert group_count("sk", 12, 32, 24, 36) == 12
    with pytest.raises(OptionError, match=r"sk: groups=5 is not allowed; it must divide the channels, 24 and 36"):
        group_count("sk", 5, 32, 24, 36)
    with pytest.raises(OptionError, match="groups=0"):
        group_count("sk", 0, 32, 24)
