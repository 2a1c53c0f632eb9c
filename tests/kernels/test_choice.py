import pytest

from regard.core import OptionError
from regard.kernels.choice import choose


def test_auto_is_the_first_that_is_there():
    assert choose("squeeze_positions", "auto") == "reference"
    assert choose("squeeze_positions", "auto", ("fast", "reference")) == "fast"


def test_what_is_asked_for_is_had():
    assert choose("squeeze_positions", "reference", ("fast", "reference")) == "reference"


def test_what_cannot_be_had_is_an_error_with_the_choices():
    with pytest.raises(OptionError, match="apply_gate: impl='triton' cannot be had here; choose one of 'auto', 'ref"):
        choose("apply_gate", "triton")
