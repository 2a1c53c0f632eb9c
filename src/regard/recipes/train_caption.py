"""`regard train` for images with texts: opens them, and builds a network that writes about them."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader

from regard import models
from regard.core.batch import CaptionBatch
from regard.core.options import at_least
from regard.core.run_record import NetworkRecord, RunRecord
from regard.data import CaptionCode, CaptionSource, caption_loader, fit_warnings
from regard.recipes.captioning import build_captioner, caption_record, caption_task, learn_code, open_captioned
from regard.recipes.console import say
from regard.recipes.network import batch_size_for
from regard.recipes.run_folder import CHECKPOINT, Settings
from regard.recipes.texts import check_text_settings, report_pairs
from regard.training import Sequences
from regard.training.transfer import read_state

_MOST_WORKERS = 4


@dataclass(frozen=True, eq=False)
class CaptionJob:
    """A network to be trained on images with texts, and all that it needs; what `regard train` asks of any job."""

    settings: Settings
    source: CaptionSource
    record: RunRecord
    code: CaptionCode
    net: nn.Module

    unit = "image"

    def task(self, *, training: bool) -> "Sequences":
        """Returns the task of the network."""
        return caption_task(self.code, self.settings.recipe if training else None)

    def batches(self, device: torch.device, workers: int | None) -> DataLoader[CaptionBatch]:
        """Of the training images, one for each of their texts."""
        train, size = self.source.splits["train"], self.settings.recipe.batch_size
        usual = min(_MOST_WORKERS, os.cpu_count() or 1)
        return caption_loader(
            train,
            self.code,
            batch_size=size,
            augment=self.settings.augment,
            seed=self.settings.seed,
            shuffle=True,
            workers=usual if workers is None else at_least("train", "workers", workers, 0),
            # A normalisation cannot be trained on a single value, which a small image is in deep layers.
            drop_last=len(train) % size == 1 < len(train),
            pin_memory=device.type == "cuda",
        )

    def validation(self) -> DataLoader[CaptionBatch]:
        """Batches of the validation images."""
        return caption_loader(self.source.splits["val"], self.code, batch_size=batch_size_for(self.code.preprocessing))


def prepare_caption(settings: Settings, folder: Path, *, resumed: bool) -> CaptionJob:
    """Opens the images and builds the network as it was, or is to be, when the run began."""
    check_text_settings(
        "train",
        kind="captions",
        patch=settings.patch,
        patch_stride=settings.patch_stride,
        balanced=settings.balanced or None,
    )
    network = NetworkRecord(name=settings.model, options={"attention": settings.attention})
    # A wrong name is told now, not after a large folder was read.
    models.create_captioner(settings.model, symbols=5, attention=settings.attention, seed=0)
    source = open_captioned(settings.data, settings.reading)
    counts = {split: f"{len(part):,}" for split, part in source.splits.items()}
    say(
        f"{source.name}: {counts['train']} training texts about images, {counts['val']} validation and "
        f"{counts['test']} test images; written in {source.target_units}."
    )
    report_pairs(source)
    code = learn_code(source, settings.size, settings.fit)
    for warning in fit_warnings(source.images(), code.preprocessing):
        say(f"warning: {warning}", style="yellow")
    net = build_captioner(network, code, seed=settings.seed)
    if settings.weights and not (resumed and (folder / CHECKPOINT).exists()):
        models.load_state(net, read_state(Path(settings.weights).expanduser()))
        say(f"{settings.weights}: all weights taken.")
    record = caption_record(network, source, code, data=settings.data, reading=settings.reading)
    parameters = sum(parameter.numel() for parameter in net.parameters())
    height, width = code.preprocessing.size
    say(
        f"{record.network}: {parameters:,} parameters; it reads {height} x {width} pixels and writes "
        f"{len(code.target):,} different symbols."
    )
    return CaptionJob(settings, source, record, code, net)
