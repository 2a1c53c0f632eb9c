"""`regard train` for clips and sounds: opens them, and builds a network that classifies them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils.data import DataLoader

from regard import models
from regard.core.batch import ClipBatch
from regard.core.options import at_least
from regard.core.run_record import NetworkRecord, RunRecord
from regard.data import ArrayClips, ClipPreprocessing, ClipSource, clip_loader, clip_preprocessing_for
from regard.recipes.clips import (
    build_timed_network,
    check_timed_settings,
    clips_at_once,
    open_timed,
    report_timed,
    timed_record,
    timed_task,
)
from regard.recipes.console import say
from regard.recipes.run_folder import CHECKPOINT, Settings
from regard.report.numerals import plural
from regard.training.transfer import read_state

if TYPE_CHECKING:
    from regard.training import Classification

_MOST_WORKERS = 4


@dataclass(frozen=True, eq=False)
class ClipJob:
    """A network to be trained on clips or sounds, and all that it needs; what `regard train` asks of any job."""

    settings: Settings
    source: ClipSource
    record: RunRecord
    preprocessing: ClipPreprocessing
    net: nn.Module

    @property
    def unit(self) -> str:
        """The word for an example: `clip` or `sound`."""
        return self.source.kind

    def task(self, *, training: bool) -> "Classification":
        """Returns the task of the network."""
        if not training:
            return timed_task(self.source)
        return timed_task(self.source, self.settings.recipe, self.source.splits["train"].labels)

    def batches(self, device: torch.device, workers: int | None) -> DataLoader[ClipBatch]:
        """Of the training clips, with frames drawn anew in each epoch where they are sampled."""
        train, size = self.source.splits["train"], self.settings.recipe.batch_size
        if workers is None:
            workers = 0 if isinstance(train, ArrayClips) else min(_MOST_WORKERS, os.cpu_count() or 1)
        return clip_loader(
            train,
            self.preprocessing,
            batch_size=size,
            seed=self.settings.seed,
            shuffle=True,
            training=True,
            workers=at_least("train", "workers", workers, 0),
            # A normalisation may be unable to train on a single clip.
            drop_last=len(train) % size == 1 < len(train),
            pin_memory=device.type == "cuda",
        )

    def validation(self) -> DataLoader[ClipBatch]:
        """Batches of the validation clips."""
        clips = self.source.splits["val"]
        return clip_loader(clips, self.preprocessing, batch_size=clips_at_once(clips, self.preprocessing))


def prepare_clips(settings: Settings, folder: Path, *, resumed: bool) -> ClipJob:
    """Opens the clips or sounds and builds the network as it was, or is to be, when the run began."""
    check_timed_settings(
        "train",
        size=settings.size,
        augment=None if settings.augment == "auto" else settings.augment,
        fit=None if settings.fit == "crop" else settings.fit,
        patch=settings.patch,
        patch_stride=settings.patch_stride,
        balanced=settings.balanced or None,
        freeze=settings.freeze or None,
        mixup=settings.recipe.mixup or None,
        cutmix=settings.recipe.cutmix or None,
    )
    network = NetworkRecord(name=settings.model, options={"attention": settings.attention})
    # A wrong name is told now, not after many files were read.
    build_timed_network(network, classes=2, channels=1 if settings.data.startswith("sound") else 3, seed=0)
    source = open_timed(settings.data, settings.reading)
    counts = {split: f"{len(clips):,}" for split, clips in source.splits.items()}
    say(
        f"{source.name}: {len(source.classes)} classes; {counts['train']} training, {counts['val']} validation and "
        f"{counts['test']} test {source.kind}s."
    )
    report_timed(source)
    preprocessing = clip_preprocessing_for(source)
    net = build_timed_network(network, classes=len(source.classes), channels=preprocessing.channels, seed=settings.seed)
    if settings.weights and not (resumed and (folder / CHECKPOINT).exists()):
        models.load_state(net, read_state(Path(settings.weights).expanduser()))
        say(f"{settings.weights}: all weights taken.")
    record = timed_record(network, source, preprocessing, data=settings.data, reading=settings.reading)
    say(f"{record.network}: {models.describe(net).parameters:,} parameters; input {_input_of(preprocessing)}.")
    return ClipJob(settings, source, record, preprocessing, net)


def _input_of(preprocessing: ClipPreprocessing) -> str:
    """Describes the clips or sounds that the network takes."""
    if preprocessing.size is not None:
        shape = f"clips of {' x '.join(map(str, preprocessing.size))} pixels"
    elif preprocessing.mel is not None:
        shape = f"sounds as {preprocessing.channels} log-mel bands"
    else:
        shape = f"series of {plural(preprocessing.channels, 'channel')}"
    return shape if preprocessing.frames is None else f"{shape}, at most {plural(preprocessing.frames, 'frame')}"
