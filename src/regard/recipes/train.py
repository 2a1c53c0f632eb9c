"""`regard train`: train a network on images, clips, sounds or texts and write it to a run's folder."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from regard import models, training
from regard.attention.exchange import layouts_for
from regard.core.allocator import reuse_memory
from regard.core.batch import ImageBatch
from regard.core.errors import OptionError, RunError
from regard.core.features import Start
from regard.core.hard import Looker
from regard.core.options import at_least
from regard.core.run_record import NetworkRecord, RunRecord
from regard.core.tensor_files import file_fault
from regard.data import (
    ArrayImages,
    Augment,
    ClutteredImages,
    Fit,
    Preprocessing,
    Reading,
    Source,
    fit_warnings,
    kind_of,
    loader,
    preprocessing_for,
)
from regard.recipes.captioning import CAPTION_MODEL
from regard.recipes.clips import CLIP_MODELS
from regard.recipes.console import say
from regard.recipes.insertion import (
    check_network,
    freeze,
    is_inserted,
    plan_attention,
    train_only,
    trained_names,
    without_attention,
)
from regard.recipes.network import batch_size_for, build_network
from regard.recipes.run_folder import (
    CHECKPOINT,
    SETTINGS,
    WEIGHTS,
    Settings,
    agree,
    begin,
    check_free,
    read_facts,
    read_settings,
    record_end,
    write_facts,
)
from regard.recipes.sources import open_with_bar, record_of, report_source, task_of
from regard.recipes.train_caption import CaptionJob, prepare_caption
from regard.recipes.train_clip import ClipJob, prepare_clips
from regard.recipes.train_text import TEXT_MODEL, TextJob, prepare_text
from regard.recipes.trained import Trained
from regard.recipes.versions import versions
from regard.report.numerals import plural
from regard.training import DeviceName, Recipe
from regard.training.precision import check_precision
from regard.training.transfer import read_state, transfer

if TYPE_CHECKING:
    from regard.training import Classification, Glimpses

USUAL_MODELS = {"text": TEXT_MODEL, "caption": CAPTION_MODEL, **CLIP_MODELS}
"""The network of each kind of data where none is named; for images that of `Settings`."""

_MOST_WORKERS = 4


def train(
    *,
    data: str | None = None,
    model: str | None = None,
    attention: str | None = None,
    weights: str | None = None,
    freeze: bool = False,
    out: str | None = None,
    resume: str | None = None,
    augment: Augment = "auto",
    size: int | str | None = None,
    fit: Fit = "crop",
    patch: int | None = None,
    patch_stride: int | None = None,
    recompute: bool = False,
    balanced: bool = False,
    seed: int = 0,
    device: DeviceName = "auto",
    threads: int | None = None,
    workers: int | None = None,
    reading: Reading = Reading(),  # noqa: B008 (frozen)
    recipe: Recipe = Recipe(),  # noqa: B008 (frozen)
) -> Trained:
    """Trains a network on images, clips, sounds or texts and saves it with its settings, classes and preprocessing.

    Writes settings.yaml (a run file for --config), weights.safetensors, epochs.csv, steps.csv, TensorBoard events and,
    after every epoch, a checkpoint to the run's folder. Test images are not used.

    Args:
        data: source of the images: fashion-mini, mnist-mini, folder:PATH, npz:PATH or torchvision:NAME; `cluttered:`
            before one of them puts its images among clutter, as in cluttered:mnist-mini:size=60,pieces=4. Or texts,
            tsv:PATH: a source, a tab and a target on each line, as in tsv:words.tsv:target=phonemes. Or
            clips:PATH of videos, folders of frames or arrays, or sound:PATH. Or captions:PATH, a folder of images with
            texts about them in captions.tsv.
        model: network to train: resnet8 to resnet110 for small images, resnet18 to resnet101 for large ones; ram, which
            takes glimpses, with its options after a colon, as in ram:glimpses=6,patch=8; cnn, a small plain network, as
            in cnn:width=8; timm:NAME or torchvision:NAME; package.module:function, of your own, which takes num_classes
            and in_channels; for texts seq2seq, as in seq2seq:hidden=256,cell=lstm; for clips clipnet, as in
            clipnet:backbone=resnet20,recurrent=attention, or resnet3d; for texts about images captioner, as in
            captioner:backbone=resnet18. By default resnet20, or the one of the kind.
        attention: mechanism to insert, NAME[:option=value,...]; `regard list` shows all.
        weights: a .safetensors or .pth file to start from; a head for another number of classes, and attention that
            the file lacks, are newly initialised.
        freeze: train only what the weights lack, attention and a new head; normalisations still adapt their statistics.
        out: folder of the run; runs/DATA-MODEL by default.
        resume: folder of a run to continue after its last complete epoch, with its own settings; the result is the
            same as without the interruption.
        augment: augmentation of the training images.
        size: input size of the network in pixels, one number for a square or HEIGHTxWIDTH; by default the size of
            the images if all have the same of up to 96 pixels, else a square of up to 224.
        fit: how images of another aspect ratio are resized: `crop` cuts out the centre, `pad` adds a border,
            `squeeze` changes the aspect ratio.
        patch: divide large images into patches with sides of this many pixels: attention pooling combines their
            features, and `regard explain` shows their weights. The whole image is resized to `size`, without cropping.
        patch_stride: pixels from patch to patch; less than `patch` makes them overlap.
        recompute: with patches, recompute features in the backward pass instead of storing them: less memory, more
            time, the same result.
        balanced: sample every class equally often.
        seed: random seed of the initial weights, the order, the augmentation and every step.
        device: device to train on.
        threads: number of CPU threads; PyTorch's default if not given.
        workers: number of processes that read images; by default none if the images are in memory.
        reading: how the images are read and split.
        recipe: settings of the training.

    Returns:
        The run's folder and the scores of the network on the validation images.

    Raises:
        RegardError: an option or a file cannot be used; the message says what to do.
    """
    usual = Settings().model if resume else USUAL_MODELS.get(kind_of(data), Settings().model)
    asked = Settings(
        data=data or "", model=model or usual, attention=attention, weights=weights, freeze=freeze, augment=augment,
        size=size, fit=fit, balanced=balanced, patch=patch, patch_stride=patch_stride, seed=seed, reading=reading,
        recipe=recipe,
    )  # fmt: skip
    settings, folder = _open_run(asked, resume, out) if resume else (asked, _new_folder(asked, out))
    facts = read_facts(folder)
    if resume and facts.get("result") and _is_whole(folder):
        say(f"{folder} is already finished.")
        return Trained.from_json(facts["result"], folder)
    if resume and not facts.get("result") and not facts.get("ended"):
        say(f"{folder} was stopped from outside; it continues after its last complete epoch.")
    training.set_threads(threads)
    check_precision(settings.recipe.precision, torch_device := training.resolve_device(device))
    job = _prepare(settings, folder, resumed=bool(resume), recompute=recompute)
    if not resume:
        begin(folder, settings, _facts(job))
    elif ((facts.get("run") or {}).get("data") or {}).get("fingerprint") != job.source.fingerprint:
        raise RunError(
            f"{folder} cannot be resumed, as {settings.data} contains other {job.unit}s now: start a new run."
        )
    with record_end(folder):
        done = _fit(job, folder, torch_device, workers, resume=bool(resume))
        trained = _score(job, folder, torch_device, done)
    write_facts(folder, _facts(job) | {"result": trained.to_json()})
    return trained


def _is_whole(folder: Path) -> bool:
    """Returns True if a finished run still has its weights; False if only its last checkpoint can restore them.

    Raises:
        RunError: the weights are gone or damaged, and so is the checkpoint.
    """
    fault = file_fault(folder / WEIGHTS)
    if fault is None:
        return True
    if (lost := file_fault(folder / CHECKPOINT)) is None:
        say(f"{fault} They are restored from the last checkpoint.", style="yellow")
        return False
    raise RunError(
        f"{folder} was finished, but its weights are lost: {fault} {lost} Train again: regard train --config "
        f"{folder / SETTINGS} --out ANOTHER_FOLDER."
    )


@dataclass(frozen=True, eq=False)
class _Job:
    """A network to be trained on images, and all that it needs."""

    settings: Settings
    source: Source
    record: RunRecord
    preprocessing: Preprocessing
    net: nn.Module

    unit = "image"

    def task(self, *, training: bool) -> "Classification | Glimpses":
        looks = isinstance(self.net, Looker)
        if not training:
            return task_of(self.source, looks=looks)
        return task_of(self.source, self.settings.recipe, self.source.splits["train"].labels, looks=looks)

    def batches(self, device: torch.device, workers: int | None) -> DataLoader[ImageBatch]:
        settings, size = self.settings, self.settings.recipe.batch_size
        train, drawn = self.source.splits["train"], False
        readers = _num_workers(self.source, workers)
        if isinstance(train, ClutteredImages) and device.type == "cuda":
            train, readers, drawn = train.to_device(device), 0, True
        return loader(
            train,
            self.preprocessing,
            batch_size=size,
            augment=settings.augment,
            seed=settings.seed,
            shuffle=True,
            balanced=settings.balanced,
            workers=readers,
            # A normalisation cannot be trained on a single value, which a small image is in deep layers.
            drop_last=len(train) % size == 1 < len(train),
            pin_memory=device.type == "cuda" and not drawn,
        )

    def validation(self) -> DataLoader[ImageBatch]:
        images = self.source.splits["val"]
        return loader(images, self.preprocessing, batch_size=batch_size_for(self.preprocessing))


AnyJob = _Job | TextJob | ClipJob | CaptionJob
"""A network to be trained, with its data."""


def _network(settings: Settings) -> NetworkRecord:
    patches = {"patch": settings.patch, "patch_stride": settings.patch_stride}
    named = {name: value for name, value in patches.items() if value is not None}
    return NetworkRecord(name=settings.model, options={"attention": settings.attention, **named})


def _new_folder(asked: Settings, out: str | None) -> Path:
    if not asked.data:
        raise OptionError(
            "train: name the data, for example --data fashion-mini, --data folder:PATH, --data clips:PATH, --data "
            "tsv:PATH or --data captions:PATH."
        )
    patches = f"-patch{asked.patch}" if asked.patch else ""
    name = f"{asked.data}-{asked.attention or ''}-{asked.model}{patches}" + (f"-seed{asked.seed}" if asked.seed else "")
    named = Path("runs") / re.sub(r"[^A-Za-z0-9_.=]+", "-", name).strip("-")
    folder = named if out is None else Path(out).expanduser()
    check_free(folder)
    return folder


def _open_run(asked: Settings, resume: str, out: str | None) -> tuple[Settings, Path]:
    folder = Path(resume).expanduser()
    if out is not None and Path(out).expanduser() != folder:
        raise OptionError(f"train: --resume {resume} continues in that folder: leave out --out {out}.")
    saved = read_settings(folder)
    agree(folder, saved, asked)
    return saved, folder


def _prepare(settings: Settings, folder: Path, *, resumed: bool, recompute: bool) -> "AnyJob":
    """Opens the data and builds the network with the state that it has at the start of the run."""
    kind = kind_of(settings.data)
    if kind == "text":
        return prepare_text(settings, folder, resumed=resumed)
    if kind == "caption":
        return prepare_caption(settings, folder, resumed=resumed)
    if kind in CLIP_MODELS:
        return prepare_clips(settings, folder, resumed=resumed)
    return _prepare_images(settings, folder, resumed=resumed, recompute=recompute)


def _prepare_images(settings: Settings, folder: Path, *, resumed: bool, recompute: bool) -> _Job:
    """Opens the images and builds the network with the state that it has at the start of the run."""
    if not resumed:  # report a wrong name before all images of a large folder are checked
        if settings.freeze and not settings.weights:
            raise OptionError("train: --freeze trains what given weights lack: name them with --weights FILE.")
        check_network(_network(settings), seed=settings.seed, recompute=recompute)
    state = None
    if settings.weights and not (resumed and (folder / CHECKPOINT).exists()):
        state = read_state(Path(settings.weights).expanduser())
    source = _open_source(settings)
    preprocessing = preprocessing_for(source, settings.size, fit=settings.fit, channels=_channels(state))
    # The decisive patch may be at the edge, which a crop would remove.
    if settings.patch is not None and settings.fit == "crop":
        preprocessing = replace(preprocessing, resize="exact")
    for warning in fit_warnings(source, preprocessing):
        say(f"warning: {warning}", style="yellow")
    record = record_of(_network(settings), source, preprocessing, data=settings.data, reading=settings.reading)
    if is_inserted(record.network):
        plain = build_network(
            replace(record, network=without_attention(record.network)), preprocessing, seed=settings.seed
        )
        start: Start = "identity" if settings.weights else "paper"
        record = plan_attention(record, plain, preprocessing, start=start, seed=settings.seed)
    net = build_network(record, preprocessing, seed=settings.seed, recompute=recompute)
    renewed: tuple[str, ...] = ()
    if state is not None:
        state = net.adopt(state) if isinstance(net, models.BagOfPatches) else state
        done = transfer(net, state, str(settings.weights), len(source.classes), layouts=layouts_for)
        renewed = done.renewed
        say(f"{settings.weights}: {done}.")
    if settings.freeze:
        earlier = read_facts(folder).get("trained") if resumed else None
        train_only(net, earlier) if earlier else freeze(net, renewed)
    job = _Job(settings, source, record, preprocessing, net)
    height, width = preprocessing.size
    patches = f" in {math.prod(net.grid(height, width))} patches" if isinstance(net, models.BagOfPatches) else ""
    say(f"{record.network}: {models.describe(net).parameters:,} parameters; input {height} x {width} pixels{patches}.")
    return job


def _open_source(settings: Settings) -> Source:
    source = open_with_bar(settings.data, settings.reading)
    counts = {split: f"{len(images):,}" for split, images in source.splits.items()}
    say(
        f"{source.name}: {len(source.classes)} classes; {counts['train']} training, {counts['val']} validation and "
        f"{counts['test']} test images."
    )
    report_source(source)
    return source


def _channels(state: Mapping[str, Tensor] | None) -> int | None:
    """Returns the channels of the images that weights were trained for, if they show it."""
    kernels = [tensor.shape[1] for tensor in (state or {}).values() if tensor.ndim == 4]
    return kernels[0] if kernels and kernels[0] in (1, 3) else None


def _num_workers(source: Source, workers: int | None) -> int:
    if workers is not None:
        return at_least("train", "workers", workers, 0)
    in_memory = isinstance(source.splits["train"], ArrayImages | ClutteredImages)
    return 0 if in_memory else min(_MOST_WORKERS, os.cpu_count() or 1)


def _facts(job: AnyJob) -> dict[str, Any]:
    """Returns the contents of `run.json`: all that is recorded of the run besides its settings."""
    source = job.source
    return {
        "run": job.record.to_json(),
        f"{job.unit}s": {split: len(part) for split, part in source.splits.items()},
        "account": source.account.to_json(),
        "warnings": list(source.warnings),
        "versions": versions(),
        "result": None,
    } | ({"trained": trained_names(job.net)} if job.settings.freeze else {})


def _fit(job: AnyJob, folder: Path, device: torch.device, workers: int | None, *, resume: bool) -> "training.Fit":
    settings, recipe = job.settings, job.settings.recipe
    reuse_memory(device)
    batches = job.batches(device, workers)
    say(f"Training for {plural(recipe.epochs, 'epoch')} of {len(batches)} steps on {device} in {folder}.")
    try:
        return training.fit(
            job.net,
            recipe,
            job.task(training=True),
            batches,
            job.validation(),
            folder=folder,
            seed=settings.seed,
            device=device,
            resume=resume,
            run=job.record,
        )
    except KeyboardInterrupt as stopped:
        raise KeyboardInterrupt(f"{stopped} Continue with: regard train --resume {folder}") from stopped


def _score(job: AnyJob, folder: Path, device: torch.device, fit: "training.Fit") -> Trained:
    found = training.evaluate(job.net, job.validation(), job.task(training=False), device=device)
    return Trained(
        path=folder,
        network=str(job.record.network),
        epochs=fit.epochs,
        kept_epoch=fit.kept_epoch,
        seconds=fit.seconds,
        images=found.n,
        scores=found.scores,
        unit=job.unit,
    )
