"""One trial of a comparison: one arm trained once from one seed, scored, looked into, and kept."""

import json
import re
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from torch import nn
from torch.utils.data import DataLoader

from regard import data, explanation, report, training
from regard.core.batch import ImageBatch
from regard.core.coding import decode, encode
from regard.core.errors import RunError
from regard.core.files import write_whole
from regard.core.hard import Looker
from regard.core.run_record import RunRecord
from regard.core.tap import taps
from regard.data import Augment, Fit, Reading
from regard.recipes.arms import Backbone, arm_network, build_arm
from regard.recipes.ledger import record_test_access
from regard.recipes.network import batch_size_for
from regard.recipes.run_folder import WEIGHTS
from regard.recipes.sources import open_with_bar, record_of, task_of
from regard.training.tasks import judged_by
from regard.training.weights import weights_metadata

TRIAL_FILE = "trial.json"


@dataclass(frozen=True, kw_only=True)
class Design:
    """What every trial of a comparison shares; two comparisons with equal designs may share trials.

    Attributes:
        data: the source, as `data.open_source` takes it.
        fingerprint: of the source's images and splits.
        model: the plain network's name.
        size: what the network sees, in pixels, or HEIGHTxWIDTH; None for the images' own.
        fit: how images of other shapes come to that size.
        images: how many training images, a stratified choice; None for all.
        augment: the augmentation of training images.
        balanced: whether each class is drawn equally often.
        recipe: how each network is trained.
        reading: how the images of the source are read and divided.
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
    """What a worker needs for one trial.

    Attributes:
        arm: `none`, `wide` or a mechanism's spec.
        seed: of initial values, order, augmentation and steps.
        folder: of the comparison.
        trial_folder: of this trial.
        design: what all trials share.
        device: `auto`, `cpu`, `cuda` or `mps`.
        reference_parameters: what `wide` is widened to.
        ablation_draws: draws of each random ablation on validation images; 0 for no ablation.
        ablation_images: the most validation images that an ablation uses.
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
    """What a finished trial left in its folder."""

    trial: report.Trial
    ablations: tuple[report.AblationRow, ...]
    gate_profiles: tuple[report.GateProfile, ...]


@dataclass(frozen=True)
class Table:
    """The opened data of a design: its source, the training images that it uses and how images are prepared."""

    source: data.Source
    train: data.Images
    preprocessing: data.Preprocessing

    def loader(self, images: data.Images) -> DataLoader[ImageBatch]:
        """Batches in the order of the split, without augmentation."""
        return data.loader(images, self.preprocessing, batch_size=batch_size_for(self.preprocessing))


@lru_cache(maxsize=1)
def open_data(text: str, reading: data.Reading) -> data.Source:
    """Opens a source once for all trials of a process."""
    return open_with_bar(text, reading)


@lru_cache(maxsize=1)
def open_table(design: Design) -> Table:
    """The design's data, opened, with the training images that it uses.

    Raises:
        RunError: the images are no longer those that the comparison was begun with.
    """
    source = open_data(design.data, design.reading)
    if source.fingerprint != design.fingerprint:
        raise RunError(
            f"{design.data} holds other images than when the comparison was begun, so its trials would not be "
            "comparable: put them back, or choose another --out."
        )
    train = source.splits["train"]
    if design.images is not None and design.images < len(train):
        train = train.subset(design.images, seed=0)
    return Table(source, train, data.preprocessing_for(source, design.size, fit=design.fit))


def backbone_of(design: Design, source: data.Source) -> Backbone:
    """What all arms of the design share."""
    return Backbone(design.model, len(source.classes), source.channels)


def run_trial(job: Job) -> Finished:
    """Trains, scores and looks into one arm; writes its weights and then `trial.json`, which marks it as finished."""
    start = time.monotonic()
    table = open_table(job.design)
    splits = table.source.splits
    net = build_arm(
        job.arm, backbone_of(job.design, table.source), job.seed, reference_parameters=job.reference_parameters
    )
    fit = _train(job, table, net)
    val = _score(job, table, net, splits["val"])
    record_test_access(job.folder, command="compare", what=f"{job.arm}, seed {job.seed}", images=len(splits["test"]))
    test = _score(job, table, net, splits["test"])
    ablations, profiles = _look_into(job, table, net)
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
    """The trial finished in this folder, or None: what is missing or cut off is trained again."""
    path = folder / TRIAL_FILE
    if not (folder / WEIGHTS).is_file():
        return None
    try:
        return decode(Finished, json.loads(path.read_text()), str(path))
    except (OSError, ValueError):
        return None


def trial_folder(folder: Path, arm: str, seed: int) -> Path:
    """Where the comparison in `folder` keeps this trial."""
    return folder / "trials" / re.sub(r"[^A-Za-z0-9_.=,-]+", "_", arm) / f"seed{seed}"


def _train(job: Job, table: Table, net: nn.Module) -> "training.Fit":
    design, source = job.design, table.source
    loader = data.loader(
        table.train,
        table.preprocessing,
        batch_size=design.recipe.batch_size,
        augment=design.augment,
        seed=job.seed,
        shuffle=True,
        balanced=design.balanced,
    )
    return training.fit(
        net,
        design.recipe,
        task_of(source, design.recipe, table.train.labels, looks=isinstance(net, Looker)),
        loader,
        table.loader(source.splits["val"]),
        folder=None,
        seed=job.seed,
        device=job.device,
        progress=False,
        logs=False,
    )


def _score(job: Job, table: Table, net: nn.Module, images: data.Images) -> report.Outcome:
    task = task_of(table.source, looks=isinstance(net, Looker))
    found = training.evaluate(net, table.loader(images), task, device=job.device)
    classes = task.by_class(found.outputs, found.batches)
    return report.Outcome(
        n=found.n,
        scores=found.scores,
        recall=tuple(float("nan") if r is None else r for r in classes.recall),
        confusion=classes.confusion,
    )


def _look_into(
    job: Job, table: Table, net: nn.Module
) -> tuple[tuple[report.AblationRow, ...], tuple[report.GateProfile, ...]]:
    """Ablates the network's maps and averages its channel weights by class, on validation images."""
    if not job.ablation_draws or not taps(net):
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
        right=judged_by(task_of(table.source, looks=isinstance(net, Looker))),
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
    """The rows of an ablation as a report wants them."""
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


def _record(job: Job, table: Table) -> RunRecord:
    network = arm_network(job.arm, backbone_of(job.design, table.source), job.reference_parameters)
    return record_of(network, table.source, table.preprocessing, data=job.design.data, reading=job.design.reading)
