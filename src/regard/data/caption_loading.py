"""Batches of images with texts; order and augmentation are functions of (seed, epoch) and (seed, epoch, index)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch.utils.data import DataLoader, Dataset

from regard.core.batch import CaptionBatch
from regard.core.errors import DataError
from regard.core.options import at_least
from regard.core.seeding import generator
from regard.core.shared_memory import workers_that_fit
from regard.core.vocabulary import BEGIN, Vocabulary, check_symbols
from regard.data.augmentation import Augment
from regard.data.captions import Captions, CaptionSource
from regard.data.loading import Key, OrderedSampler, PreparedBatches
from regard.data.preprocessing import Preprocessing
from regard.data.text_loading import Ragged


@dataclass(frozen=True)
class CaptionCode:
    """The preprocessing of images, and the vocabulary of the texts about them.

    Attributes:
        preprocessing: of an image.
        target: the vocabulary.
        longest: the most symbols of an answer that is searched for.
    """

    preprocessing: Preprocessing
    target: Vocabulary
    longest: int

    @classmethod
    def learn(cls, source: CaptionSource, preprocessing: Preprocessing) -> Self:
        """The vocabulary of the training texts; answers may be half as long again as the longest.

        Raises:
            DataError: the texts hold no symbol.
        """
        texts = source.splits["train"].targets
        written = Vocabulary.learn(texts, source.target_units, size=source.symbols)
        check_symbols(written, f"The column caption of {source.name}")
        longest = max(map(len, written.encode(texts)))
        return cls(preprocessing, written, longest + longest // 2 + 5)

    @classmethod
    def from_json(cls, preprocessing: Mapping[str, Any], task: Mapping[str, Any], where: str) -> Self:
        """The code of the input's and the task's options in a run's record."""
        return cls(
            Preprocessing.from_json(preprocessing), Vocabulary.from_json(task["vocabulary"], where), task["longest"]
        )


def caption_loader(
    captions: Captions,
    code: CaptionCode,
    *,
    batch_size: int,
    augment: Augment | None = None,
    seed: int = 0,
    shuffle: bool = False,
    workers: int = 0,
    drop_last: bool = False,
    pin_memory: bool = False,
) -> DataLoader[CaptionBatch]:
    """Batches of images with texts, equal bit for bit for any number of workers; see `loader` for the arguments.

    Raises:
        DataError: there would be no batch.
    """
    at_least("caption_loader", "batch_size", batch_size, 1)
    at_least("caption_loader", "workers", workers, 0)
    if not len(captions) or (drop_last and len(captions) < batch_size):
        raise DataError(f"{len(captions)} images make no batch of {batch_size}: choose a smaller one, or more images.")
    known = code.preprocessing
    workers = workers_that_fit(
        workers, 4 * min(batch_size, len(captions)) * known.channels * known.size[0] * known.size[1]
    )
    return DataLoader(
        CaptionedImages(captions, code, augment or "none", seed),
        batch_size=batch_size,
        sampler=OrderedSampler(len(captions), seed, shuffle),
        num_workers=workers,
        collate_fn=_as_it_is,
        drop_last=drop_last,
        pin_memory=pin_memory,
        persistent_workers=workers > 0,
        generator=generator(seed, "workers"),
    )


class CaptionedImages(Dataset[CaptionBatch]):
    """Whole batches by the keys of their examples."""

    def __init__(self, captions: Captions, code: CaptionCode, augment: Augment, seed: int) -> None:
        self.references = captions.references
        self.images = PreparedBatches(captions.images, code.preprocessing, augment, seed)
        self.targets = Ragged([[BEGIN, *numbers] for numbers in code.target.encode(captions.targets)])

    def __len__(self) -> int:
        return len(self.references)

    def __getitem__(self, key: Key) -> CaptionBatch:
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[Key]) -> CaptionBatch:
        indices = torch.tensor([key[1] for key in keys])
        return CaptionBatch(
            images=self.images.__getitems__(keys).images,
            target=self.targets.pad(indices),
            references=tuple(self.references[i] for i in indices.tolist()),
            indices=indices,
        )


def _as_it_is(batch: Any) -> Any:
    return batch
