"""`regard train` for texts: opens pairs, and builds a network that writes."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader

from regard import models
from regard.core.batch import TextBatch
from regard.core.run_record import NetworkRecord, RunRecord
from regard.data import TextCode, TextSource, text_loader
from regard.recipes.console import say
from regard.recipes.run_folder import CHECKPOINT, Settings
from regard.recipes.texts import (
    BATCH,
    build_text_network,
    check_text_settings,
    open_pairs,
    report_pairs,
    text_record,
    text_task,
)
from regard.training import Sequences
from regard.training.transfer import read_state

TEXT_MODEL = "seq2seq"
"""The network that text is trained with where none is named."""


@dataclass(frozen=True, eq=False)
class TextJob:
    """A network to be trained on texts, and all that it needs; what `regard train` asks of any job."""

    settings: Settings
    source: TextSource
    record: RunRecord
    code: TextCode
    net: nn.Module

    unit = "text"

    def task(self, *, training: bool) -> "Sequences":
        """Returns the task of the network."""
        return text_task(self.code, self.settings.recipe if training else None)

    def batches(self, device: torch.device, workers: int | None) -> DataLoader[TextBatch]:
        """Of the training texts; they lie in memory, so that no worker is needed."""
        return text_loader(
            self.source.splits["train"],
            self.code,
            batch_size=self.settings.recipe.batch_size,
            seed=self.settings.seed,
            shuffle=True,
            pin_memory=device.type == "cuda",
        )

    def validation(self) -> DataLoader[TextBatch]:
        """Batches of the validation texts."""
        return text_loader(self.source.splits["val"], self.code, batch_size=BATCH)


def prepare_text(settings: Settings, folder: Path, *, resumed: bool) -> TextJob:
    """Opens the texts and builds the network as it was, or is to be, when the run began."""
    check_text_settings(
        "train",
        size=settings.size,
        augment=None if settings.augment == "auto" else settings.augment,
        fit=None if settings.fit == "crop" else settings.fit,
        patch=settings.patch,
        patch_stride=settings.patch_stride,
        balanced=settings.balanced or None,
    )
    network = NetworkRecord(name=settings.model, options={"attention": settings.attention})
    # A wrong name is told now, not after a large file was read.
    models.create_seq2seq(settings.model, source_symbols=5, target_symbols=5, attention=settings.attention, seed=0)
    source = open_pairs(settings.data, settings.reading)
    counts = {split: f"{len(pairs):,}" for split, pairs in source.splits.items()}
    say(
        f"{source.name}: {counts['train']} training, {counts['val']} validation and {counts['test']} test texts, "
        f"{source.source_units} to {source.target_units}."
    )
    report_pairs(source)
    code = TextCode.learn(source)
    net = build_text_network(network, code, seed=settings.seed)
    if settings.weights and not (resumed and (folder / CHECKPOINT).exists()):
        models.load_state(net, read_state(Path(settings.weights).expanduser()))
        say(f"{settings.weights}: all weights taken.")
    record = text_record(network, source, code, data=settings.data, reading=settings.reading)
    parameters = sum(parameter.numel() for parameter in net.parameters())
    say(
        f"{record.network}: {parameters:,} parameters; it reads {len(code.source):,} different symbols and writes "
        f"{len(code.target):,}."
    )
    return TextJob(settings, source, record, code, net)
