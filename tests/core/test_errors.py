import pytest

from regard import core
from regard.core.errors import RegardError, unknown_name


@pytest.mark.parametrize(
    ("name", "also"),
    [
        ("UnknownNameError", LookupError),
        ("OptionError", ValueError),
        ("OptionError", TypeError),
        ("ShapeError", ValueError),
        ("DataError", ValueError),
        ("CheckpointError", ValueError),
        ("RunError", ValueError),
        ("TrainingError", RuntimeError),
        ("DependencyError", ImportError),
    ],
)
def test_each_is_also_a_builtin_error(name, also):
    error = getattr(core, name)
    assert issubclass(error, RegardError)
    assert issubclass(error, also)
    assert str(error("It says what to do.")) == "It says what to do."


def test_an_unknown_name_lists_the_nearest_first():
    error = unknown_name("mechanism", "resnet5", ["se", "resnet18", "resnet50"])
    assert isinstance(error, LookupError)
    assert "Did you mean 'resnet50' or 'resnet18'?" in str(error)


def test_where_none_is_near_all_are_listed():
    assert str(unknown_name("source", "zzz", ["b", "a"])) == "There is no source named 'zzz'. There are: a, b."


def test_case_is_forgiven_in_the_hint_only():
    assert "Did you mean 'se'?" in str(unknown_name("mechanism", "SE", ["se", "sk"]))
