"""Scores of texts against references: BLEU and chrF by sacrebleu, errors of symbols by torchmetrics."""

from collections.abc import Callable, Sequence
from typing import Any

from regard.core.errors import DependencyError
from regard.core.scores import PERCENT, Score
from regard.core.vocabulary import Units

References = Sequence[tuple[str, ...]]
Rate = Callable[[Sequence[str], Sequence[str]], float]


def score_texts(units: Units, texts: Sequence[str], references: References) -> tuple[Score, ...]:
    """All scores of texts made of such units, the one that networks are chosen by first."""
    right = exact(texts, references)
    share = sum(right) / len(right)
    match = Score(name="exact_match", value=share, unit=PERCENT)
    if units == "phonemes":
        error = word_error(texts, references)
        return (
            Score(name="phoneme_error", value=error, better="lower", unit=PERCENT),
            Score(name="word_error", value=1 - share, better="lower", unit=PERCENT),
        )
    characters = Score(name="character_error", value=character_error(texts, references), better="lower", unit=PERCENT)
    words = Score(name="word_error", value=word_error(texts, references), better="lower", unit=PERCENT)
    translation = (
        Score(name="bleu", value=bleu(texts, references)),
        Score(name="chrf", value=chrf(texts, references)),
    )
    if units == "characters":
        return (match, characters, words, *translation)
    return (*translation, match, characters, words)


def exact(texts: Sequence[str], references: References) -> list[bool]:
    """Tells which texts are one of their references, whatever the spaces.

    >>> exact(["a  b", "c"], [("d", "a b"), ("d",)])
    [True, False]
    """
    return [_spaced(text) in map(_spaced, right) for text, right in zip(texts, references, strict=True)]


def _spaced(text: str) -> str:
    return " ".join(text.split())


def bleu(texts: Sequence[str], references: References) -> float:
    """BLEU from 0 to 100, as sacrebleu computes it by default: with its tokenizer 13a.

    >>> round(bleu(["the cat sat on the mat"], [("the cat sat on a mat", "the cat sat on the mat")]), 6)
    100.0
    """
    return float(_sacrebleu().BLEU().corpus_score(list(texts), _streams(references)).score)


def chrf(texts: Sequence[str], references: References) -> float:
    """chrF2 from 0 to 100, as sacrebleu computes it by default: of up to six characters, without words."""
    return float(_sacrebleu().CHRF().corpus_score(list(texts), _streams(references)).score)


def word_error(texts: Sequence[str], references: References) -> float:
    """Insertions, deletions and substitutions of words, divided by the words of the nearest references.

    >>> word_error(["a b", "c d e"], [("a c",), ("x y z", "c d")])
    0.5
    """
    from torchmetrics.functional.text import word_error_rate

    return _rate(lambda said, right: float(word_error_rate(list(said), list(right))), texts, references)


def character_error(texts: Sequence[str], references: References) -> float:
    """The same of characters.

    >>> character_error(["2021"], [("2022", "2121")])
    0.25
    """
    from torchmetrics.functional.text import char_error_rate

    return _rate(lambda said, right: float(char_error_rate(list(said), list(right))), texts, references)


def _rate(rate: Rate, texts: Sequence[str], references: References) -> float:
    """The rate over all texts, each compared with the reference that it is nearest to."""
    nearest = [_nearest(rate, text, right) for text, right in zip(texts, references, strict=True)]
    return round(rate(texts, nearest), 9)


def _nearest(rate: Rate, text: str, right: tuple[str, ...]) -> str:
    if text in right:
        return text
    return right[0] if len(right) == 1 else min(right, key=lambda one: rate([text], [one]))


def _streams(references: References) -> list[list[str | None]]:
    """First references, second references ..., None where a text has fewer: so sacrebleu takes them."""
    most = max(map(len, references))
    return [[right[i] if i < len(right) else None for right in references] for i in range(most)]


def _sacrebleu() -> Any:
    try:
        import sacrebleu.metrics
    except ImportError as error:
        raise DependencyError(
            "BLEU and chrF need the package sacrebleu, which is not installed: pip install 'regard[text]'."
        ) from error
    return sacrebleu.metrics
