"""The symbols that a text is made of, and the numbers that stand for them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Literal, Self, get_args
from unicodedata import normalize

from regard.core.errors import CheckpointError, DataError, DependencyError
from regard.core.options import at_least, one_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Units = Literal["characters", "words", "phonemes", "pairs"]
"""`words` and `phonemes` stand between spaces and differ by how answers are scored; `pairs` are byte pairs."""

PAD, BEGIN, END, UNKNOWN = range(4)
"""The numbers of the special symbols: they come before those of the text, and no text can spell them."""

SPECIAL = ("", "⊢", "⊣", "?")
"""How people are shown them."""

_UNKNOWN_WORD = " unknown"
"""Holds a space and more than one letter, so that it is neither a word nor a character of any text."""


class Vocabulary:
    """Symbols of one side of a task, learnt from texts; a wrapper of a Hugging Face tokenizer.

    Args:
        units: what a symbol is.
        tokenizer: a tokenizer without special symbols, as JSON.

    Example:
        >>> vocabulary = Vocabulary.learn(["abc", "cab"], "characters")
        >>> vocabulary.encode(["cad"])
        [[6, 4, 3, 2]]
        >>> vocabulary.decode([[6, 4, 5, 2, 0]]), len(vocabulary)
        (['cab'], 7)
    """

    def __init__(self, units: Units, tokenizer: str) -> None:
        one_of("vocabulary", "units", units, get_args(Units))
        self.units = units
        self._json = tokenizer

    @classmethod
    def learn(cls, texts: Iterable[str], units: Units, *, size: int = 8000) -> Self:
        """The vocabulary of texts.

        Args:
            texts: of the training split only.
            units: what a symbol is.
            size: the most words or byte pairs; the most frequent are kept. Every character and phoneme is kept.

        Raises:
            DependencyError: the package tokenizers is not installed.
            OptionError: a unit that does not exist, or fewer than 300 byte pairs, of which 256 are the single bytes.
        """
        one_of("vocabulary", "units", units, get_args(Units))
        hugging = _tokenizers()
        composed = [normalize("NFC", text) for text in texts]
        if units == "pairs":
            made = hugging.Tokenizer(hugging.models.BPE())
            made.pre_tokenizer = hugging.pre_tokenizers.ByteLevel(add_prefix_space=False)
            made.decoder = hugging.decoders.ByteLevel()
            alphabet = sorted(hugging.pre_tokenizers.ByteLevel.alphabet())
            trainer = hugging.trainers.BpeTrainer(
                vocab_size=at_least("vocabulary", "size", size, 300), show_progress=False, initial_alphabet=alphabet
            )
            made.train_from_iterator(composed, trainer)
            return cls(units, made.to_str())
        if units == "characters":
            symbols = sorted(set().union(*composed)) if composed else []
        else:
            counts = Counter(word for text in composed for word in text.split())
            kept = sorted(counts, key=lambda word: (-counts[word], word))
            symbols = sorted(kept[: at_least("vocabulary", "size", size, 1)] if units == "words" else kept)
        numbers = {symbol: number for number, symbol in enumerate((_UNKNOWN_WORD, *symbols))}
        made = hugging.Tokenizer(hugging.models.WordLevel(numbers, unk_token=_UNKNOWN_WORD))
        if units == "characters":
            made.pre_tokenizer = hugging.pre_tokenizers.Split(hugging.Regex(r"[\s\S]"), "isolated")
            made.decoder = hugging.decoders.Fuse()
        else:
            made.pre_tokenizer = hugging.pre_tokenizers.WhitespaceSplit()
        return cls(units, made.to_str())

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        return _tokenizers().Tokenizer.from_str(self._json)

    @property
    def _first(self) -> int:
        """The number of the tokenizer's first symbol, which is its unknown one where it has one."""
        return UNKNOWN + 1 if self.units == "pairs" else UNKNOWN

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size()) + self._first

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The numbers of each text's symbols, `END` behind them; a symbol that was never learnt is `UNKNOWN`."""
        found = self._tokenizer.encode_batch([normalize("NFC", text) for text in texts], add_special_tokens=False)
        return [[number + self._first for number in encoding.ids] + [END] for encoding in found]

    def decode(self, numbers: Iterable[Sequence[int]]) -> list[str]:
        """The text of each row, up to its first `END`; symbols that are no text are left out."""
        rows = [[n - self._first for n in _until_end(row) if n > UNKNOWN] for row in numbers]
        return [str(text) for text in self._tokenizer.decode_batch(rows)]

    def symbols(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """Each symbol for people, special ones too; one that is a part of a character shows its bytes as `·`."""
        return tuple(
            SPECIAL[n] if n <= UNKNOWN else str(self._tokenizer.decode([n - self._first])).replace("\ufffd", "·")
            for n in numbers
        )

    def to_json(self) -> dict[str, Any]:
        """The record in JSON's types."""
        return {"units": self.units, "tokenizer": self._json}

    @classmethod
    def from_json(cls, record: Mapping[str, Any], where: str) -> Self:
        """The vocabulary that `to_json` wrote.

        Raises:
            CheckpointError: the record in the file `where` holds no vocabulary.
            DependencyError: the package tokenizers is not installed.
        """
        try:
            made = cls(record["units"], record["tokenizer"])
            len(made)
        except DependencyError:
            raise
        except Exception as error:  # tokenizers raises bare exceptions
            raise CheckpointError(
                f"{where} holds a vocabulary that cannot be read ({error}): it was written by another version of "
                "regard or by another program. Train again, or read it with the version that wrote it."
            ) from error
        return made


def check_symbols(vocabulary: Vocabulary, what: str) -> None:
    """Raises a `DataError` where a vocabulary has no symbols besides the special ones."""
    if len(vocabulary) <= UNKNOWN + 1:
        raise DataError(f"{what} holds no {vocabulary.units} at all: every text in it is empty.")


def _until_end(row: Sequence[int]) -> Iterable[int]:
    return takewhile(lambda number: number != END, row)


def _tokenizers() -> Any:
    try:
        import tokenizers
        import tokenizers.decoders
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError as error:
        raise DependencyError(
            "Text needs the package tokenizers, which is not installed: pip install 'regard[text]'."
        ) from error
    return tokenizers
