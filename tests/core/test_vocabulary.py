import sys

import pytest

from regard.core import CheckpointError, DataError, DependencyError, OptionError
from regard.core.vocabulary import BEGIN, END, PAD, UNKNOWN, Vocabulary, check_symbols

TEXTS = ["5. März 2003", "a  b", "zwölf <unk> </s>", " unknown end"]


@pytest.mark.parametrize("units", ["characters", "words", "phonemes", "pairs"])
def test_known_texts_come_back(units):
    vocabulary = Vocabulary.learn(TEXTS, units, size=400)
    encoded = vocabulary.encode(TEXTS)
    assert all(row[-1] == END and not {PAD, BEGIN, UNKNOWN} & set(row) and END not in row[:-1] for row in encoded)
    want = TEXTS if units in ("characters", "pairs") else [" ".join(text.split()) for text in TEXTS]
    assert vocabulary.decode(encoded) == want
    again = Vocabulary.from_json(vocabulary.to_json(), "a file")
    assert again.encode(TEXTS) == encoded
    assert len(again) == len(vocabulary) > max(max(row) for row in encoded)


@pytest.mark.parametrize("units", ["characters", "words", "phonemes"])
def test_an_unknown_symbol_is_one_symbol(units):
    vocabulary = Vocabulary.learn(["a b"], units)
    (row,) = vocabulary.encode(["a ж b"])
    assert row.count(UNKNOWN) == 1
    assert vocabulary.decode([row])[0].split() == ["a", "b"]


def test_byte_pairs_know_every_text():
    vocabulary = Vocabulary.learn(["low lower lowest"] * 3, "pairs", size=300)
    assert vocabulary.decode(vocabulary.encode(["жук 字 low"])) == ["жук 字 low"]
    assert UNKNOWN not in vocabulary.encode(["жук"])[0]
    assert len(vocabulary.encode(["low lower"])[0]) < len("low lower")


def test_composed_and_decomposed_letters_are_the_same():
    vocabulary = Vocabulary.learn(["é"], "characters")
    assert vocabulary.encode(["e\u0301"]) == vocabulary.encode(["é"])


def test_the_most_frequent_words_are_kept():
    vocabulary = Vocabulary.learn(["b a a", "c a b"], "words", size=2)
    assert vocabulary.decode(vocabulary.encode(["a b c"])) == ["a b"]


def test_symbols_for_people():
    vocabulary = Vocabulary.learn(["ab"], "characters")
    assert vocabulary.symbols([BEGIN, *vocabulary.encode(["abж"])[0]]) == ("⊢", "a", "b", "?", "⊣")


def test_what_is_refused(monkeypatch):
    with pytest.raises(OptionError, match="units='letters'"):
        Vocabulary.learn(["a"], "letters")
    with pytest.raises(OptionError, match="size=20"):
        Vocabulary.learn(["a"], "pairs", size=20)
    with pytest.raises(DataError, match="no characters at all"):
        check_symbols(Vocabulary.learn([], "characters"), "The file")
    with pytest.raises(CheckpointError, match="a file holds a vocabulary that cannot be read"):
        Vocabulary.from_json({"units": "words", "tokenizer": "{"}, "a file")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(DependencyError, match=r"regard\[text\]"):
        Vocabulary.learn(["a"], "characters")
