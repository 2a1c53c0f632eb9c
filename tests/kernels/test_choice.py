import pytest

from regard.core import OptionError
from regard.kernels.choice import choose, use


def test_auto_is_the_first_available():
    assert choose("squeeze_positions", "auto") == "reference"
    assert choose("squeeze_positions", "auto", ("fast", "reference")) == "fast"


def test_a_named_choice_is_taken():
    assert choose("squeeze_positions", "reference", ("fast", "reference")) == "reference"


def test_an_unavailable_choice_is_an_error():
    with pytest.raises(OptionError, match="apply_gate: impl='triton' is not available here; choose one of 'auto', 're"):
        choose("apply_gate", "triton")


def test_a_block_forces_one_and_ends():
    ways = ("fast", "reference")
    with use("reference"):
        assert choose("apply_gate", "auto", ways) == "reference"
        with use("auto"):
            assert choose("apply_gate", "auto", ways) == "fast"
        assert choose("apply_gate", "auto", ways) == "reference"
    assert choose("apply_gate", "auto", ways) == "fast"


def test_forcing_what_does_not_exist():
    with pytest.raises(OptionError, match="impl"), use("triton"):
        pass
