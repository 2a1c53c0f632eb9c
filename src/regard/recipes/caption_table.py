"""The data of a comparison of networks that write about images, and all that a trial asks of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from regard import report, training
from regard.core.batch import CaptionBatch
from regard.core.errors import RunError
from regard.core.run_record import NetworkRecord, RunRecord
from regard.data import Augment, CaptionCode, Captions, CaptionSource, Fit, Reading, caption_loader, fit_warnings
from regard.recipes.arms import Backbone
from regard.recipes.captioning import caption_record, caption_task, learn_code, open_captioned
from regard.recipes.network import batch_size_for
from regard.training import Recipe, Sequences


@dataclass(frozen=True)
class CaptionTable:
    """The opened images of a comparison: their source, the training examples that are used, and their code."""

    source: CaptionSource
    train: Captions
    code: CaptionCode
    augment: Augment

    unit = "image"

    def backbone(self, model: str) -> Backbone:
        """Returns the network that all arms share."""
        known = self.code.preprocessing
        return Backbone(model, len(self.code.target), known.channels, kind="caption", size=known.size)

    def loader(self, captions: Captions) -> DataLoader[CaptionBatch]:
        """Returns batches to score."""
        return caption_loader(captions, self.code, batch_size=batch_size_for(self.code.preprocessing))

    def training_loader(self, recipe: Recipe, seed: int) -> DataLoader[CaptionBatch]:
        """Returns batches to train on."""
        size = recipe.batch_size
        return caption_loader(
            self.train,
            self.code,
            batch_size=size,
            augment=self.augment,
            seed=seed,
            shuffle=True,
            drop_last=len(self.train) % size == 1 < len(self.train),
        )

    def task(self, net: nn.Module, recipe: Recipe | None = None) -> "Sequences":
        """Returns what a network is to do; with a recipe as it is trained."""
        return caption_task(self.code, recipe)

    def score(self, net: nn.Module, captions: Captions, device: str) -> report.Outcome:
        """Scores a network on images."""
        found = training.evaluate(net, self.loader(captions), self.task(net), device=device)
        return report.Outcome(n=found.n, scores=found.scores)

    def record(self, network: NetworkRecord, *, data: str, reading: Reading) -> RunRecord:
        """Returns the record of a network that was trained on these images."""
        return caption_record(network, self.source, self.code, data=data, reading=reading)

    def warnings(self) -> tuple[str, ...]:
        """Returns what may spoil a result."""
        return (*self.source.warnings, *fit_warnings(self.source.images(), self.code.preprocessing))

    def examples(self, counts: Sequence[int], device: torch.device) -> list[Tensor]:
        """Returns images to measure costs with, so many in each."""
        known = self.code.preprocessing
        return [torch.randn(count, known.channels, *known.size, device=device) for count in counts]

    def measurable(self, net: nn.Module) -> nn.Module:
        """Returns the network as costs are measured: it writes a text of the median length."""
        lengths = sorted(map(len, self.code.target.encode(self.train.targets)))
        return Written(net, lengths[len(lengths) // 2])


class Written(nn.Module):
    """A network that writes a text of given length about images, for measurements.

    Args:
        net: a `Captioner`.
        symbols: of the text.
    """

    def __init__(self, net: nn.Module, symbols: int) -> None:
        super().__init__()
        self.net = net
        self.symbols = symbols

    def forward(self, images: Tensor) -> Tensor:
        """Mean logits (b, k) of all symbols, so that a training step has gradients of all of them."""
        target = torch.ones(images.shape[0], self.symbols, dtype=torch.int64, device=images.device)
        return self.net(images, target).mean(1)


def open_caption_table(
    data: str,
    fingerprint: str | None,
    images: int | None,
    reading: Reading,
    *,
    size: int | str | None,
    fit: Fit,
    augment: Augment,
) -> CaptionTable:
    """Opens the images of a comparison.

    Args:
        data: the source.
        fingerprint: of the source when the comparison was started.
        images: how many training examples are used; None for all.
        reading: how the source is read.
        size: input size of the network in pixels; None for that of the images.
        fit: how images of another aspect ratio are resized.
        augment: augmentation of the training images.

    Raises:
        RunError: the images have changed since the comparison was started.
    """
    source = open_captioned(data, reading)
    if fingerprint not in (None, source.fingerprint):
        raise RunError(
            f"{data} contains other images or texts than when the comparison was started, so its trials would not be "
            "comparable: restore them, or choose another --out."
        )
    train = source.splits["train"]
    used = train if images is None else train.subset(images, seed=0)
    return CaptionTable(source, used, learn_code(source, size, fit), augment)
