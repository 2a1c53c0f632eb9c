"""Batches of texts of like lengths, whose order is a function of (seed, epoch) and of nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from regard.core.batch import TextBatch
from regard.core.errors import DataError
from regard.core.options import at_least
from regard.core.seeding import generator
from regard.core.vocabulary import BEGIN, PAD, UNKNOWN, Vocabulary, check_symbols
from regard.data.pairs import Pairs, TextSource

_POOL = 64
"""So many batches are sorted by length together: padding is little, and batches are still random."""


@dataclass(frozen=True)
class TextCode:
    """The vocabularies by which texts become numbers, and numbers texts.

    Attributes:
        source: the vocabulary of what is read.
        target: the vocabulary of what is written.
        longest: the most symbols of an answer that is searched for.
        limit: a text with more characters is not read.
    """

    source: Vocabulary
    target: Vocabulary
    longest: int
    limit: int

    @classmethod
    def learn(cls, source: TextSource) -> Self:
        """The vocabularies of the training pairs; answers may be half as long again as the longest target.

        Raises:
            DataError: the texts of one side hold no symbol.
        """
        train = source.splits["train"]
        read = Vocabulary.learn(train.sources, source.source_units, size=source.symbols)
        written = Vocabulary.learn(train.targets, source.target_units, size=source.symbols)
        check_symbols(read, f"The first column of {source.name}")
        check_symbols(written, f"The second column of {source.name}")
        longest = max(map(len, written.encode(train.targets)))
        return cls(read, written, longest + longest // 2 + 5, source.limit)

    def to_json(self) -> dict[str, Any]:
        """The record in JSON's types."""
        return {
            "source": self.source.to_json(),
            "target": self.target.to_json(),
            "longest": self.longest,
            "limit": self.limit,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any], where: str) -> Self:
        """The code that `to_json` wrote."""
        read, written = (Vocabulary.from_json(record[side], where) for side in ("source", "target"))
        return cls(read, written, record["longest"], record["limit"])


def text_loader(
    pairs: Pairs, code: TextCode, *, batch_size: int, seed: int = 0, shuffle: bool = False, pin_memory: bool = False
) -> DataLoader[TextBatch]:
    """Batches of the pairs, each of texts of like lengths.

    Call `loader.batch_sampler.set_epoch(epoch)` before each epoch, as `regard.training.fit` does.

    Args:
        pairs: one split of a source.
        code: their vocabularies.
        batch_size: pairs a batch; one batch may be smaller.
        seed: with the epoch it decides which pairs are together and in which order batches come.
        shuffle: whether that is random; without, batches go from the longest pairs to the shortest.
        pin_memory: for faster copies to a GPU.

    Raises:
        DataError: there are no pairs.
    """
    if not len(pairs):
        raise DataError("text_loader: there are no pairs, so no batches.")
    encoded = EncodedPairs(pairs, code)
    return DataLoader(
        encoded,
        batch_sampler=Bucketed(encoded.lengths(), at_least("text_loader", "batch_size", batch_size, 1), seed, shuffle),
        collate_fn=_as_it_is,
        pin_memory=pin_memory,
    )


class EncodedPairs(Dataset[TextBatch]):
    """Whole batches by the numbers of their pairs."""

    def __init__(self, pairs: Pairs, code: TextCode) -> None:
        self.references = pairs.references
        self.sources = Ragged(code.source.encode(pairs.sources))
        self.targets = Ragged([[BEGIN, *numbers] for numbers in code.target.encode(pairs.targets)])

    def __len__(self) -> int:
        return len(self.references)

    def lengths(self) -> Tensor:
        """(n, 2) symbols of each target and source."""
        return torch.stack((self.targets.lengths, self.sources.lengths), 1)

    def unknown(self) -> int:
        """The number of sources with a symbol that the vocabulary lacks."""
        return self.sources.rows_with(UNKNOWN)

    def __getitem__(self, index: int) -> TextBatch:
        return self.__getitems__([index])

    def __getitems__(self, numbers: Sequence[int]) -> TextBatch:
        indices = torch.tensor(list(numbers))
        return TextBatch(
            source=self.sources.pad(indices),
            lengths=self.sources.lengths[indices],
            target=self.targets.pad(indices),
            references=tuple(self.references[i] for i in numbers),
            indices=indices,
        )


class Ragged:
    """Rows of numbers of any length, one behind the other in one tensor."""

    def __init__(self, rows: Sequence[Sequence[int]]) -> None:
        self.lengths = torch.tensor([len(row) for row in rows])
        self.values = torch.tensor([number for row in rows for number in row], dtype=torch.int32)
        self.starts = self.lengths.cumsum(0) - self.lengths

    def pad(self, indices: Tensor) -> Tensor:
        """(b, longest) int64 these rows, padded."""
        lengths = self.lengths[indices]
        steps = torch.arange(int(lengths.max()))
        there = steps < lengths.unsqueeze(1)
        where = (self.starts[indices].unsqueeze(1) + steps).clamp_max(len(self.values) - 1)
        return torch.where(there, self.values[where].long(), PAD)

    def rows_with(self, number: int) -> int:
        """The number of rows that hold `number`."""
        row = torch.repeat_interleave(torch.arange(len(self.lengths)), self.lengths)
        return len(row[self.values == number].unique())


class Bucketed(Sampler[list[int]]):
    """Batches of examples of like lengths.

    Args:
        lengths: (n, k) by which examples are alike, the first column first.
        batch_size: examples a batch.
        seed: with the epoch it decides the batches.
        shuffle: whether they are random.
    """

    def __init__(self, lengths: Tensor, batch_size: int, seed: int, shuffle: bool) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch the next pass is."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        if not self.shuffle:
            return iter(list(self._cut(torch.arange(len(self.lengths))))[::-1])
        random = generator(self.seed, self.epoch, "order")
        order = torch.randperm(len(self.lengths), generator=random)
        batches = [batch for pool in order.split(_POOL * self.batch_size) for batch in self._cut(pool)]
        return (batches[i] for i in torch.randperm(len(batches), generator=random).tolist())

    def _cut(self, examples: Tensor) -> Iterator[list[int]]:
        """Batches of these examples, from the shortest to the longest."""
        for column in reversed(range(self.lengths.shape[1])):
            examples = examples[self.lengths[examples, column].argsort(stable=True)]
        return (batch.tolist() for batch in examples.split(self.batch_size))


def _as_it_is(batch: Any) -> Any:
    return batch
