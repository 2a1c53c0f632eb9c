"""The scores against sacrebleu's and torchmetrics' own, with one reference and with several."""

import pytest
from sacrebleu.metrics import BLEU, CHRF

from regard.training.text_scores import bleu, character_error, chrf, exact, score_texts, word_error

TEXTS = ["the cat sat on the mat today", "a dog barked", "x"]
RIGHT = [("the cat sat on a mat today", "the cat sat on the mat"), ("a dog barks",), ("x",)]


def test_bleu_and_chrf_are_those_of_sacrebleu():
    streams = [[right[0] for right in RIGHT], [right[1] if len(right) > 1 else None for right in RIGHT]]
    assert bleu(TEXTS, RIGHT) == BLEU().corpus_score(TEXTS, streams).score
    assert chrf(TEXTS, RIGHT) == CHRF().corpus_score(TEXTS, streams).score


def test_errors_count_against_the_nearest_reference():
    assert word_error(["a b c"], [("a b d",)]) == pytest.approx(1 / 3)
    assert word_error(["a b c"], [("x y z w", "a b d")]) == pytest.approx(1 / 3)
    assert word_error(["a b c"], [("x", "a b c")]) == 0
    assert character_error(["abc", ""], [("abd",), ("ab",)]) == pytest.approx(3 / 5)


def test_spaces_make_no_text_wrong():
    assert exact(["a  b ", "ab"], [("a b",), ("a b",)]) == [True, False]


@pytest.mark.parametrize(
    ("units", "first"),
    [("characters", "exact_match"), ("phonemes", "phoneme_error"), ("words", "bleu"), ("pairs", "bleu")],
)
def test_networks_are_chosen_by_what_suits(units, first):
    scores = score_texts(units, TEXTS, RIGHT)
    assert scores[0].name == first
    if units == "phonemes":
        assert {score.name: score.value for score in scores}["word_error"] == pytest.approx(2 / 3)
