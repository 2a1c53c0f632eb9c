from typing import get_args

import pytest

from regard.core import OptionError
from regard.data.kinds import Kind
from regard.recipes.arms import parse_arms
from regard.recipes.usual_arms import check_settings, usual


@pytest.mark.parametrize("kind", get_args(Kind))
def test_usual_arms_go_into_their_network(kind):
    arms, _, model = usual(kind)
    assert parse_arms(arms, kind=kind, model=model) == arms
    check_settings(kind, size=None, balanced=False, fit="crop")


@pytest.mark.parametrize("kind", ["text", "caption", "clip", "sound"])
def test_settings_of_classes_are_refused(kind):
    with pytest.raises(OptionError, match="balanced=True is not allowed"):
        check_settings(kind, size=None, balanced=True, fit="crop")
