"""`regard compare`: train a network with each mechanism, each control and without, and compare them."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from regard import cost, data, report, training
from regard.core.allocator import reuse_memory
from regard.core.errors import RegardError, RunError
from regard.core.files import write_whole
from regard.core.options import at_least
from regard.core.scores import amount
from regard.data import kind_of
from regard.recipes.arms import PLAIN, WIDE, arm_network, build_arm, leave_out_wide, parse_arms
from regard.recipes.caption_gallery import show_captioned
from regard.recipes.caption_table import CaptionTable
from regard.recipes.clip_table import ClipTable
from regard.recipes.clips import report_timed
from regard.recipes.console import console, say
from regard.recipes.costs import measure_arms
from regard.recipes.gallery import show_images
from regard.recipes.ledger import count_test_accesses
from regard.recipes.sources import report_source
from regard.recipes.text_gallery import show_texts
from regard.recipes.text_table import TextTable
from regard.recipes.texts import report_pairs
from regard.recipes.trial import (
    AnyTable,
    Design,
    Finished,
    Job,
    fingerprint_of_data,
    open_data,
    open_table,
    read_trial,
    run_trial,
    trial_folder,
)
from regard.recipes.usual_arms import DEFAULT_ARMS, QUICK, check_settings, usual
from regard.recipes.versions import versions
from regard.recipes.workers import run_jobs
from regard.report.numerals import change
from regard.report.page import write_page
from regard.report.statistics import best_arm, compare_arms
from regard.report.wording import need

BARELY_TRAINED = 30
"""Below this number of epochs the report says that the networks are barely trained and gives the command for more."""
DESIGN_FILE = "comparison.json"


@dataclass(frozen=True)
class Hardware:
    """The device, threads and processes that a comparison ran on."""

    device: str
    threads: int
    workers: int


@dataclass(frozen=True)
class Compared:
    """The results of a comparison and the path of its report."""

    results: report.Results
    report: Path

    def __str__(self) -> str:
        found = self.results.against()
        measure = f"{found[0].split} {found[0].score.title}" if found else ""
        rows = [f"{'arm':<24}{measure:>28}{'difference':>12}  verdict"]
        for c in found:
            difference = "" if c.difference is None else change(c.difference, c.score.unit)
            rows.append(
                f"{c.arm:<24}{amount(c.score.value, c.score.unit):>28}{difference:>12}  {c.verdict or ''}".rstrip()
            )
        needs = need(self.results)
        return "\n".join((*([needs, ""] if needs else []), *rows, f"report: {self.report}"))


def compare(
    mechanisms: Sequence[str] = DEFAULT_ARMS,
    *,
    data: str = "fashion-mini",
    model: str | None = None,
    seeds: int = 6,
    images: int | Literal["all"] = 3000,
    out: str = "runs/compare",
    recipe: training.Recipe = QUICK,
    augment: data.Augment = "auto",
    balanced: bool = False,
    size: int | str | None = None,
    fit: data.Fit = "crop",
    reading: data.Reading = data.Reading(),  # noqa: B008 (frozen)
    device: training.DeviceName = "auto",
    threads: int | None = None,
    workers: int | None = None,
) -> Compared:
    """Trains a network with each mechanism and without, and reports scores, costs and attention maps.

    All networks are trained with the same images, settings and seeds; those of one seed share their batches and the
    initial values of all parameters they have in common. Finished trials are kept: the same command again, for example
    with more mechanisms or seeds, runs only the missing trials.

    Args:
        mechanisms: mechanisms to compare, each NAME[:option=value,...]; `static` (a learned constant map) and `wide`
            (the plain network with more channels, up to the parameters of the largest) are controls. `none`, the plain
            network, is always included.
        data: source of the images: fashion-mini, mnist-mini, folder:PATH, npz:PATH or torchvision:NAME; `cluttered:`
            before one of them puts its images among clutter. Or texts, tsv:PATH; images with texts, captions:PATH;
            clips:PATH or sound:PATH.
        model: the plain network, see `regard train --help`; by default resnet8, for texts seq2seq, for images with
            texts captioner:backbone=resnet8, for clips clipnet, for sounds resnet1d.
        seeds: number of trials with each mechanism; 3 can show only large differences.
        images: number of training images, a stratified sample, or of texts; or `all`.
        out: folder of the comparison and its report.
        recipe: settings of the training.
        augment: augmentation of the training images.
        balanced: sample every class equally often.
        size: input size of the network in pixels, one number for a square or HEIGHTxWIDTH; by default the size of
            the images if all have the same of up to 96 pixels, else a square of up to 224.
        fit: how images of another aspect ratio are resized: `crop` cuts out the centre, `pad` adds a border,
            `squeeze` changes the aspect ratio.
        reading: how the images are read and split.
        device: device to train on.
        threads: total number of CPU threads; all by default.
        workers: number of trials trained at the same time; by default one per thread on a CPU, one on a GPU.

    Returns:
        The results and the path of the report.

    Raises:
        RegardError: unusable data, an unknown name, or a folder with another comparison.
    """
    started = datetime.now(UTC)
    # A program may call this twice and change its images in between.
    open_data.cache_clear()
    kind = kind_of(data)
    arms, quick, network = usual(kind)
    mechanisms = arms if tuple(mechanisms) == DEFAULT_ARMS else mechanisms
    recipe = quick if recipe == QUICK else recipe
    check_settings(kind, size=size, balanced=balanced, fit=fit)
    model = model or network
    mechanisms = leave_out_wide(tuple(mechanisms), model)
    arms = parse_arms(tuple(mechanisms), kind=kind, model=model)
    folder = Path(out)
    budget = training.set_threads(threads)
    reuse_memory(torch_device := training.resolve_device(device))
    design = _design(data, model, size, fit, images, augment, balanced, recipe, reading)
    report_data(open_table(design))
    jobs = _jobs(arms, at_least("compare", "seeds", seeds, 1), folder, design, str(torch_device))
    at_once = budget if torch_device.type == "cpu" else 1
    at_once = min(at_least("compare", "workers", at_once if workers is None else workers, 1), len(jobs))
    _claim(folder, design, torch_device.type)
    finished = _run(jobs, at_once, budget)
    built = measure_arms(jobs[: len(arms)], torch_device)
    say("Drawing the images and the report ...")
    results = _results(
        design, built, finished, folder, started, Hardware(str(torch_device), max(1, budget // at_once), at_once)
    )
    report.write_results(results, folder)
    return Compared(results, _write_report(results, jobs[: len(arms)], folder))


def _write_report(results: report.Results, jobs: Sequence[Job], folder: Path) -> Path:
    return write_page(results, show_images(jobs), folder / "report.html", (*show_texts(jobs), *show_captioned(jobs)))


def report_data(table: AnyTable) -> None:
    """Prints what was decided in opening the data, and what may spoil a result."""
    if isinstance(table, TextTable):
        report_pairs(table.source)
        return
    if isinstance(table, ClipTable):
        report_timed(table.source)
        return
    (report_pairs if isinstance(table, CaptionTable) else report_source)(table.source)  # type: ignore[arg-type]
    for warning in table.warnings()[len(table.source.warnings) :]:
        say(f"warning: {warning}", style="yellow")


def _design(
    source: str,
    model: str,
    size: int | str | None,
    fit: data.Fit,
    images: int | Literal["all"],
    augment: data.Augment,
    balanced: bool,
    recipe: training.Recipe,
    reading: data.Reading,
) -> Design:
    if images != "all":
        at_least("compare", "images", images, 1)
    return Design(
        data=source,
        fingerprint=fingerprint_of_data(source, reading),
        model=model,
        size=size,
        fit=fit,
        images=None if images == "all" else images,
        augment=augment,
        balanced=balanced,
        recipe=recipe,
        reading=reading,
    )


def _claim(folder: Path, design: Design, device: str) -> None:
    """Writes the settings to the folder; a folder with other settings is an error that lists the differences.

    Trials on another kind of device or with another PyTorch belong to another comparison: their numbers differ.
    """
    path = folder / DESIGN_FILE
    wanted = json.loads(json.dumps(asdict(design))) | {"device": device, "torch": str(torch.__version__)}
    if not path.exists():
        if (folder / "trials").exists() or (folder / "settings.yaml").exists():
            raise RunError(f"{folder} contains another run: choose another --out, or move that run.")
        write_whole(path, json.dumps(wanted, indent=1).encode())
        return
    try:
        found = _flatten(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RunError(f"{path} is damaged ({error}): choose another --out, or move that folder.") from error
    asked = _flatten(wanted)
    differing = [
        f"{name} was {found.get(name)}, now {asked.get(name)}"
        for name in {**found, **asked}
        if found.get(name) != asked.get(name)
    ]
    if differing:
        raise RunError(
            f"{folder} contains a comparison with other settings, whose trials cannot be compared with these "
            f"({'; '.join(differing)}): choose another --out, or the same settings."
        )


def _flatten(settings: dict[str, Any]) -> dict[str, Any]:
    """Returns the settings as one level, those of the recipe and of the reading included."""
    records = ("recipe", "reading")
    own = {name: value for name, value in settings.items() if name not in records}
    return own | settings["recipe"] | settings["reading"]


def _jobs(arms: tuple[str, ...], seeds: int, folder: Path, design: Design, device: str) -> list[Job]:
    """Returns all trials, seed by seed, so that an interrupted comparison has complete seeds."""
    backbone = open_table(design).backbone(design.model)
    largest = max(cost.parameters(build_arm(arm, backbone, 0)) for arm in arms if arm != WIDE)
    return [
        Job(
            arm=arm,
            seed=seed,
            folder=folder,
            trial_folder=trial_folder(folder, f"{arm}-{largest}" if arm == WIDE else arm, seed),
            design=design,
            device=device,
            reference_parameters=largest,
            ablation_draws=1,
            ablation_images=1000,
            profiled=seed == 0,
        )
        for seed in range(seeds)
        for arm in arms
    ]


def _run(jobs: list[Job], workers: int, budget: int) -> list[Finished]:
    """Runs the missing trials and returns all; failed trials are an error once the others are finished."""
    finished = {(job.arm, job.seed): read_trial(job.trial_folder) for job in jobs}
    missing = [job for job in jobs if finished[job.arm, job.seed] is None]
    if len(missing) < len(jobs):
        say(f"{len(jobs) - len(missing)} of {len(jobs)} trials are already finished.")
    failed = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=False),
    )
    with Progress(*columns, console=console, speed_estimate_period=600) as progress:
        bar = progress.add_task(f"training, {workers} at a time", total=len(missing))
        for outcome in run_jobs(run_trial, missing, workers=workers, threads=max(1, budget // workers)):
            name = f"{outcome.job.arm}, seed {outcome.job.seed}"
            if outcome.result is None:
                if not isinstance(outcome.error, RegardError):
                    raise outcome.error or RunError(f"The trial {name} ended without a result: run the command again.")
                failed.append(f"{name}: {outcome.error}")
            else:
                finished[outcome.job.arm, outcome.job.seed] = outcome.result
                progress.console.print(f"{name}: validation {outcome.result.trial.val.scores.chosen}", style="dim")
            progress.advance(bar)
    if failed:
        raise RunError(
            f"{len(failed)} of {len(jobs)} trials failed; the others are kept, and the same command runs only these "
            f"again. {' '.join(failed)}"
        )
    return [f for f in finished.values() if f is not None]


def _results(
    design: Design,
    arms: tuple[report.Arm, ...],
    finished: Sequence[Finished],
    folder: Path,
    started: datetime,
    hardware: Hardware,
) -> report.Results:
    trials = tuple(f.trial for f in finished)
    rivals = [arm for arm in arms if not arm.is_plain]
    controls = [arm.spec for arm in rivals if arm.is_control] if len(rivals) > 1 else []
    comparisons = compare_arms(arms, trials) + tuple(c for spec in controls for c in compare_arms(rivals, trials, spec))
    table = open_table(design)
    plain = arm_network(PLAIN, table.backbone(design.model), 0)
    settings = report.Settings(
        run=table.record(plain, data=design.data, reading=design.reading),
        data=_data_record(design),
        recipe=dict(design.recipe.to_json()),
        epochs=design.recipe.epochs,
        seeds=tuple(sorted({t.seed for t in trials})),
        device=hardware.device,
        threads=hardware.threads,
        workers=hardware.workers,
        versions=versions(),
        command=shlex.join(["regard", *sys.argv[1:]]) if sys.argv[1:2] == ["compare"] else "a program in Python",
        real_run=_full_command(design, arms, folder) if design.recipe.epochs < BARELY_TRAINED else "",
        started=started.isoformat(timespec="seconds"),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=sum(t.seconds for t in trials),
    )
    return report.Results(
        settings=settings,
        arms=arms,
        trials=trials,
        comparisons=comparisons,
        ablations=tuple(row for f in finished for row in f.ablations),
        gate_profiles=tuple(profile for f in finished for profile in f.gate_profiles),
        choices=_choices(arms, trials),
        test_accesses=count_test_accesses(folder),
    )


def _data_record(design: Design) -> report.Data:
    table = open_table(design)
    source = table.source
    available = {str(split): len(part) for split, part in source.splits.items()}
    return report.Data(
        available=available,
        used=available | {"train": len(table.train)},
        licence="" if isinstance(source, data.ClipSource) else source.licence,
        warnings=table.warnings(),
        notes=source.notes,
        unit=source.account.unit,
        found=source.account.found,
        left_out=tuple(
            report.LeftOut(reason=reason, count=len(paths), examples=paths[:3])
            for reason, paths in source.account.reasons().items()
        ),
    )


def _full_command(design: Design, arms: tuple[report.Arm, ...], folder: Path) -> str:
    """Returns the command line that compares the same arms with fully trained networks."""
    model = "resnet20" if design.model == "resnet8" else design.model
    words = ["regard", "compare", *(arm.spec for arm in arms if not arm.is_plain), "--data", design.data]
    epochs = "20" if kind_of(design.data) != "image" else "60"
    words += ["--model", model, "--images", "all", "--epochs", epochs, "--seeds", "5", "--out", f"{folder}-real"]
    given = design.reading.changed_options()
    given |= {"size": design.size} if design.size is not None else {}
    given |= {"fit": design.fit} if design.fit != "crop" else {}
    words += [word for name, value in given.items() for word in ("--" + name.replace("_", "-"), str(value))]
    words += ["--augment", design.augment] * (design.augment != "auto")
    words += ["--balanced"] * design.balanced
    return shlex.join(words)


def _choices(arms: tuple[report.Arm, ...], trials: tuple[report.Trial, ...]) -> tuple[report.Choice, ...]:
    """Returns the mechanism with the best mean validation score."""
    best = best_arm([arm for arm in arms if not arm.is_plain and not arm.is_control], trials)
    if best is None:
        return ()
    score = trials[0].val.scores.chosen
    most = "highest" if score.better == "higher" else "lowest"
    rule = f"the {most} {score.title} on the validation split, averaged over seeds; controls excluded"
    return (report.Choice(what="mechanism", value=best, rule=rule),)
