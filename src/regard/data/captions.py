"""Images with the texts that may be written about them, in three splits."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.core.seeding import key
from regard.core.vocabulary import Units
from regard.data.account import Account
from regard.data.depth import ValueRange
from regard.data.images import Images
from regard.data.source import Source, Split


@dataclass(frozen=True, eq=False)
class Captions:
    """Images, each with one text that is learnt and all that are right.

    Attributes:
        images: n images; one with several texts may be among them several times.
        targets: for each the text that is learnt.
        references: for each every text that is right, its target first.
    """

    images: Images
    targets: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.targets)

    @classmethod
    def of(cls, images: Images, texts: Sequence[Sequence[str]], *, each_image_once: bool = False) -> "Captions":
        """An example for each image and text, or for each image, as when answers are scored.

        Args:
            images: each once.
            texts: of each image, at least one.
            each_image_once: whether an image with several texts is one example.
        """
        rows = [(n, text) for n, own in enumerate(texts) for text in (own[:1] if each_image_once else own)]
        return cls(
            images if len(rows) == len(images) else images.take(torch.tensor([n for n, _ in rows]).long()),
            tuple(text for _, text in rows),
            tuple((text, *(other for other in dict.fromkeys(texts[n]) if other != text)) for n, text in rows),
        )

    def take(self, indices: Tensor) -> "Captions":
        """These examples, renumbered from 0."""
        chosen = indices.tolist()
        return Captions(
            self.images.take(indices),
            tuple(self.targets[i] for i in chosen),
            tuple(self.references[i] for i in chosen),
        )

    def subset(self, count: int, *, seed: int) -> "Captions":
        """`count` random examples, in their order; all of them where there are no more."""
        if count >= len(self):
            return self
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(key("pick", seed)))
        return self.take(order[:count].sort().values)


@dataclass(frozen=True, eq=False)
class CaptionSource:
    """Images with texts, in three splits.

    Attributes:
        name: what it was opened as.
        splits: `train`, `val` and `test`, each with at least one image; where it was opened to be scored, `all`.
        channels: 1 for grey, 3 for RGB.
        target_units: what a symbol of a text is.
        symbols: the most words or byte pairs of the vocabulary.
        limit: the most characters of a text.
        fingerprint: a hash of every image's content and texts in each split.
        account: what became of every line.
        value_range: see `Source`.
        warnings: what may spoil a result, a sentence each.
        notes: what was decided in opening it, a sentence each.
        licence: the notice that comes with the images; empty where none is known.
    """

    name: str
    splits: Mapping[Split, Captions]
    channels: int
    target_units: Units
    symbols: int
    limit: int
    fingerprint: str
    account: Account
    value_range: ValueRange | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    licence: str = ""

    def images(self) -> Source:
        """The images alone, without classes, for their preprocessing; they are not mirrored: a text may name a side."""
        return Source(
            name=self.name,
            classes=(),
            channels=self.channels,
            multi_label=False,
            splits={split: part.images for split, part in self.splits.items()},
            fingerprint=self.fingerprint,
            account=self.account,
            value_range=self.value_range,
            mirror=False,
        )


def captions_fingerprint(splits: Mapping[Split, Captions]) -> str:
    """A hash of every image's content and texts in each split."""
    digest = hashlib.blake2b(digest_size=16)
    for split, part in splits.items():
        digest.update(repr((split, part.images.contents(), part.targets, part.references)).encode("utf-8", "replace"))
    return digest.hexdigest()
