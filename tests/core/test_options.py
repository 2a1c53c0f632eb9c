import math
from typing import Literal

import pytest

from regard.core import OptionError
from regard.core.options import at_least, check_options, flag, not_negative, odd, one_of, positive


def test_allowed_values_come_back_unchanged():
    assert at_least("se", "reduction", 16, 1) == 16
    assert odd("sse", "kernel_size", 7) == 7
    assert positive("eca", "gamma", 0.5) == 0.5
    assert not_negative("srm", "epsilon", 0) == 0
    assert flag("se", "bias", False) is False
    assert one_of("bam", "combine", "mul", ("mul", "add")) == "mul"


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "1", None, math.inf])
def test_at_least_wants_an_integer(value):
    with pytest.raises(OptionError) as error:
        at_least("se", "reduction", value, 1)
    assert str(error.value) == f"se: reduction={value!r} is not allowed; it must be an integer of at least 1."


@pytest.mark.parametrize(("value", "hint"), [(2, "try 1 or 3"), (8, "try 7 or 9")])
def test_odd_names_the_neighbours(value, hint):
    with pytest.raises(OptionError, match=f"kernel_size={value} is not allowed; it must be odd.*{hint}"):
        odd("sse", "kernel_size", value)
    with pytest.raises(OptionError, match="at least 1"):
        odd("sse", "kernel_size", -3)


@pytest.mark.parametrize("value", [0, -0.5, math.nan, math.inf, True, "2", None])
def test_positive_wants_a_finite_number(value):
    with pytest.raises(OptionError, match=r"eca: gamma=.* is not allowed; it must be a number above 0"):
        positive("eca", "gamma", value)


@pytest.mark.parametrize("value", [-1e-9, math.nan, math.inf, False, "0", None])
def test_not_negative_wants_a_finite_number(value):
    with pytest.raises(OptionError, match=r"srm: epsilon=.* is not allowed; it must be a number of at least 0"):
        not_negative("srm", "epsilon", value)


@pytest.mark.parametrize("value", [0, 1, "no", None])
def test_a_flag_is_not_any_truth(value):
    with pytest.raises(OptionError, match=r"se: bias=.* is not allowed; it must be True or False"):
        flag("se", "bias", value)


@pytest.mark.parametrize("value", [4, True, 1.0, "1", None, [1]])
def test_one_of_compares_types_too(value):
    with pytest.raises(OptionError, match=r"sk: dims=.* is not allowed; choose one of 1, 2, 3"):
        one_of("sk", "dims", value, (1, 2, 3))


def test_annotations_say_what_an_option_may_be():
    def build(
        channels: int,
        *,
        pooling: Literal["mean", "max"] = "mean",
        bias: bool | None = None,
        order: Literal[1, 2] | None = None,
        pools: tuple[Literal["mean", "max"], ...] = (),
    ) -> None: ...

    check_options("se", build, {"pooling": "max", "bias": True, "order": 2, "pools": ("mean",)})
    check_options("se", build, {"bias": None, "order": None})
    with pytest.raises(OptionError, match="se: pooling='sum' is not allowed; choose one of 'mean', 'max'"):
        check_options("se", build, {"pooling": "sum"})
    with pytest.raises(OptionError, match="se: bias='no' is not allowed; it must be True or False"):
        check_options("se", build, {"bias": "no"})
    with pytest.raises(OptionError, match="se: order=3 is not allowed; choose one of 1, 2"):
        check_options("se", build, {"order": 3})
