import math

import pytest

from regard.core import OptionError, Score, Scores, UnknownNameError

ERROR = Score(name="mean_absolute_error", value=2.0, better="lower", unit="px")
SHARE = Score(name="accuracy", value=0.8, unit="%")
BOTH = Scores(all=(ERROR, SHARE), choice="mean_absolute_error")


def test_a_score_knows_its_better_direction():
    assert ERROR.beats(3.0)
    assert not ERROR.beats(1.0)
    assert SHARE.beats(0.7)
    assert not SHARE.beats(0.8)
    assert SHARE.gain(0.9, 0.8) == pytest.approx(0.1)
    assert ERROR.gain(3.0, 2.0) == -1.0


def test_any_number_beats_none_and_nan_beats_nothing():
    assert ERROR.beats(None)
    assert ERROR.beats(math.nan)
    assert not Score(name="loss", value=math.nan, better="lower").beats(None)


def test_scores_are_found_by_name():
    assert BOTH.chosen is ERROR
    assert (BOTH["accuracy"], "accuracy" in BOTH, "loss" in BOTH) == (0.8, True, False)
    with pytest.raises(UnknownNameError, match="accuracy"):
        _ = BOTH["acuracy"]


def test_a_choice_must_be_among_the_scores():
    with pytest.raises(OptionError, match="choice='loss' among accuracy"):
        Scores(all=(SHARE,), choice="loss")
    with pytest.raises(OptionError, match="name of its own"):
        Scores(all=(SHARE, SHARE), choice="accuracy")


def test_the_record_survives_json():
    assert Scores.from_json(BOTH.to_json()) == BOTH
    assert str(BOTH) == "mean absolute error 2.000 px, accuracy 80.0 %"
