"""One trial of a comparison: one arm trained from one seed, scored, ablated and saved."""

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from regard import data, explanation, report, training
from regard.core.allocator import reuse_memory
from regard.core.batch import ImageBatch
from regard.core.coding import decode, encode
from regard.core.errors import RunError
from regard.core.files import write_whole
from regard.core.hard import Looker
from regard.core.run_record import NetworkRecord, RunRecord
from regard.core.tap import taps
from regard.data import Augment, Fit, Reading
from regard.recipes.arms import Backbone, arm_network, arm_plan, build_arm
from regard.recipes.caption_table import CaptionTable, open_caption_table
from regard.recipes.captioning import open_captioned
from regard.recipes.clip_table import ClipTable, open_clip_table
from regard.recipes.clips import CLIP_MODELS, open_timed
from regard.recipes.ledger import record_test_access
from regard.recipes.network import batch_size_for
from regard.recipes.run_folder import WEIGHTS
from regard.recipes.sources import open_with_bar, record_of, task_of
from regard.recipes.text_table import TextTable, open_text_table
from regard.recipes.texts import open_pairs
from regard.training.tasks import judged_by
from regard.training.weights import weights_metadata

if TYPE_CHECKING:
    from regard.training import Classification, Glimpses

TRIAL_FILE = "trial.json"


@dataclass(frozen=True, kw_only=True)
class Design:
    """The settings that all trials of a comparison share; comparisons with equal designs may share trials.

    Attributes:
        data: name of the source, as for `data.open_source`.
        fingerprint: fingerprint of the source's images and splits.
        model: name of the plain network.
        size: input size of the network in pixels, or HEIGHTxWIDTH; None for that of the images.
        fit: how images of another aspect ratio are resized.
        images: number of training images, a stratified sample; None for all.
        augment: augmentation of the training images.
        balanced: True to sample every class equally often.
        recipe: settings of the training.
        reading: how the images of the source are read and split.
    """

    data: str
    fingerprint: str
    model: str
    size: int | str | None
    fit: Fit
    images: int | None
    augment: Augment
    balanced: bool
    recipe: training.Recipe
    reading: Reading


@dataclass(frozen=True, kw_only=True)
class Job:
    """The task of a worker: one trial.

    Attributes:
        arm: `none`, `wide` or a mechanism's spec.
        seed: random seed of initial values, order, augmentation and steps.
        folder: folder of the comparison.
        trial_folder: folder of this trial.
        design: settings that all trials share.
        device: `auto`, `cpu`, `cuda` or `mps`.
        reference_parameters: number of parameters that `wide` is widened to.
        ablation_draws: number of draws of each random ablation on validation images; 0 for no ablation.
        ablation_images: largest number of validation images for an ablation.
        profiled: whether channel weights are averaged by class, for the report.
    """

    arm: str
    seed: int
    folder: Path
    trial_folder: Path
    design: Design
    device: str
    reference_parameters: int
    ablation_draws: int
    ablation_images: int
    profiled: bool


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The results of a finished trial."""

    trial: report.Trial
    ablations: tuple[report.AblationRow, ...]
    gate_profiles: tuple[report.GateProfile, ...]


@dataclass(frozen=True)
class Table:
    """The opened data of a design: its source, its training images and its preprocessing."""

    source: data.Source
    train: data.Images
    preprocessing: data.Preprocessing

    design: "Design"

    unit = "image"

    def backbone(self, model: str) -> Backbone:
        """Returns the network that all arms share."""
        return Backbone(model, len(self.source.classes), self.source.channels, size=self.preprocessing.size)

    def loader(self, images: data.Images) -> DataLoader[ImageBatch]:
        """Returns batches in the order of the split, without augmentation."""
        return data.loader(images, self.preprocessing, batch_size=batch_size_for(self.preprocessing))

    def training_loader(self, recipe: training.Recipe, seed: int) -> DataLoader[ImageBatch]:
        """Returns batches to train on."""
        return data.loader(
            self.train,
            self.preprocessing,
            batch_size=recipe.batch_size,
            augment=self.design.augment,
            seed=seed,
            shuffle=True,
            balanced=self.design.balanced,
        )

    def task(self, net: nn.Module, recipe: training.Recipe | None = None) -> "Classification | Glimpses":
        """Returns what a network is to do; with a recipe as it is trained."""
        labels = None if recipe is None else self.train.labels
        return task_of(self.source, recipe, labels, looks=isinstance(net, Looker))

    def score(self, net: nn.Module, images: data.Images, device: str) -> report.Outcome:
        """Scores a network on images."""
        task = self.task(net)
        found = training.evaluate(net, self.loader(images), task, device=device)
        classes = task.by_class(found.outputs, found.batches)
        return report.Outcome(
            n=found.n,
            scores=found.scores,
            recall=tuple(float("nan") if r is None else r for r in classes.recall),
            confusion=classes.confusion,
        )

    def record(self, network: NetworkRecord, *, data: str, reading: Reading) -> RunRecord:
        """Returns the record of a network that was trained on these images."""
        return record_of(network, self.source, self.preprocessing, data=data, reading=reading)

    def warnings(self) -> tuple[str, ...]:
        """Returns what may spoil a result."""
        return (*self.source.warnings, *data.fit_warnings(self.source, self.preprocessing))

    def examples(self, counts: Sequence[int], device: torch.device) -> list[Tensor]:
        """Returns images to measure costs with, so many in each."""
        layout = torch.channels_last if self.design.recipe.channels_last else torch.contiguous_format
        shape = (self.source.channels, *self.preprocessing.size)
        return [torch.randn(count, *shape).to(device, memory_format=layout) for count in counts]

    def measurable(self, net: nn.Module) -> nn.Module:
        """Returns the network as costs are measured."""
        return net


AnyTable = Table | TextTable | CaptionTable | ClipTable
"""The data of a design, of any kind."""


@lru_cache(maxsize=1)
def open_data(text: str, reading: data.Reading) -> data.Source:
    """Opens a source once for all trials of a process."""
    return open_with_bar(text, reading)


def fingerprint_of_data(source: str, reading: data.Reading) -> str:
    """Opens data of any kind and returns the hash of their contents."""
    if data.kind_of(source) == "text":
        return open_pairs(source, reading).fingerprint
    if data.kind_of(source) == "caption":
        return open_captioned(source, reading).fingerprint
    if data.kind_of(source) in CLIP_MODELS:
        return open_timed(source, reading).fingerprint
    return open_data(source, reading).fingerprint


@lru_cache(maxsize=1)
def open_table(design: Design) -> AnyTable:
    """Opens the data of a design.

    Raises:
        RunError: the images have changed since the comparison was started.
    """
    if data.kind_of(design.data) == "text":
        return open_text_table(design.data, design.fingerprint, design.images, design.reading)
    if data.kind_of(design.data) in CLIP_MODELS:
        return open_clip_table(design.data, design.fingerprint, design.images, design.reading)
    if data.kind_of(design.data) == "caption":
        return open_caption_table(
            design.data,
            design.fingerprint,
            design.images,
            design.reading,
            size=design.size,
            fit=design.fit,
            augment=design.augment,
        )
    source = open_data(design.data, design.reading)
    if source.fingerprint != design.fingerprint:
        raise RunError(
            f"{design.data} contains other images than when the comparison was started, so its trials would not be "
            "comparable: restore the images, or choose another --out."
        )
    train = source.splits["train"]
    if design.images is not None and design.images < len(train):
        train = train.subset(design.images, seed=0)
    return Table(source, train, data.preprocessing_for(source, design.size, fit=design.fit), design)


def run_trial(job: Job) -> Finished:
    """Trains, scores and ablates one arm; writes its weights and then `trial.json`, which marks it as finished."""
    start = time.monotonic()
    reuse_memory(torch.device(job.device))
    table = open_table(job.design)
    splits = table.source.splits
    backbone = table.backbone(job.design.model)
    net = build_arm(job.arm, backbone, job.seed, reference_parameters=job.reference_parameters)
    fit = _train(job, table, net)
    val = table.score(net, splits["val"], job.device)  # type: ignore[arg-type]
    record_test_access(job.folder, command="compare", what=f"{job.arm}, seed {job.seed}", images=len(splits["test"]))
    test = table.score(net, splits["test"], job.device)  # type: ignore[arg-type]
    ablations, profiles = _ablate(job, table, net)
    weights = job.trial_folder / WEIGHTS
    training.save_weights(weights, net, weights_metadata(job.design.recipe, job.seed, fit.history, _record(job, table)))
    finished = Finished(
        trial=report.Trial(
            arm=job.arm,
            seed=job.seed,
            epochs=fit.epochs,
            history=fit.history,
            val=val,
            test=test,
            seconds=time.monotonic() - start,
            weights=str(weights.relative_to(job.folder)),
        ),
        ablations=ablations,
        gate_profiles=profiles,
    )
    write_whole(job.trial_folder / TRIAL_FILE, json.dumps(encode(finished), allow_nan=False).encode())
    return finished


def read_trial(folder: Path) -> Finished | None:
    """Reads the finished trial of this folder, or None: a missing or damaged one is trained again."""
    path = folder / TRIAL_FILE
    if not (folder / WEIGHTS).is_file():
        return None
    try:
        return decode(Finished, json.loads(path.read_text()), str(path))
    except (OSError, ValueError):
        return None


def trial_folder(folder: Path, arm: str, seed: int) -> Path:
    """Returns the folder of a trial of the comparison in `folder`."""
    return folder / "trials" / re.sub(r"[^A-Za-z0-9_.=,-]+", "_", arm) / f"seed{seed}"


def _train(job: Job, table: AnyTable, net: nn.Module) -> "training.Fit":
    recipe = job.design.recipe
    return training.fit(
        net,
        recipe,
        table.task(net, recipe),
        table.training_loader(recipe, job.seed),
        table.loader(table.source.splits["val"]),  # type: ignore[arg-type]
        folder=None,
        seed=job.seed,
        device=job.device,
        progress=False,
        logs=False,
    )


def _ablate(
    job: Job, table: AnyTable, net: nn.Module
) -> tuple[tuple[report.AblationRow, ...], tuple[report.GateProfile, ...]]:
    """Ablates the network's maps and averages its channel weights by class, on validation images."""
    if not job.ablation_draws or not taps(net) or isinstance(table, TextTable | CaptionTable | ClipTable):
        return (), ()
    val = table.source.splits["val"]
    evaluation = table.loader(val.subset(job.ablation_images, seed=0) if job.ablation_images < len(val) else val)
    found = explanation.ablate(
        net,
        evaluation,
        table.loader(table.train),
        draws=job.ablation_draws,
        renormalise=False,
        seed=job.seed,
        right=judged_by(table.task(net)),
    )
    profiles = explanation.gates_by_class(net, evaluation, table.source.classes) if job.profiled else {}
    return (
        ablation_rows(found, job.arm, job.seed),
        tuple(
            report.GateProfile(
                arm=job.arm,
                seed=job.seed,
                tap=path,
                by_class=tuple(tuple(row) for row in gates.mean.tolist()),
                overall=tuple(gates.overall.tolist()),
            )
            for path, gates in profiles.items()
        ),
    )


def ablation_rows(found: explanation.Ablation, arm: str, seed: int) -> tuple[report.AblationRow, ...]:
    """Returns the rows of an ablation for the report."""
    return tuple(
        report.AblationRow(
            arm=arm,
            seed=seed,
            mode=row.mode,
            renormalised=row.renormalised,
            accuracies=row.draws,
            n=found.images,
            lost=row.lost,
            gained=row.gained,
        )
        for row in found.rows
    )


def _record(job: Job, table: AnyTable) -> RunRecord:
    backbone = table.backbone(job.design.model)
    network = arm_network(job.arm, backbone, job.reference_parameters)
    record = table.record(network, data=job.design.data, reading=job.design.reading)
    return replace(record, attention=arm_plan(job.arm, backbone, job.seed))
