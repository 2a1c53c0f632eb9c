"""Mechanisms, controls and the plain network, trained alike and compared honestly."""

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
from regard.core.errors import RegardError, RunError
from regard.core.files import write_whole
from regard.core.options import at_least
from regard.core.scores import amount
from regard.data import fit_warnings
from regard.recipes.arms import PLAIN, WIDE, arm_network, build_arm, parse_arms
from regard.recipes.console import console, say
from regard.recipes.costs import measure_arms
from regard.recipes.gallery import show_images
from regard.recipes.ledger import count_test_accesses
from regard.recipes.sources import record_of, report_source
from regard.recipes.trial import (
    Design,
    Finished,
    Job,
    backbone_of,
    open_data,
    open_table,
    read_trial,
    run_trial,
    trial_folder,
)
from regard.recipes.versions import versions
from regard.recipes.workers import run_jobs
from regard.report.numerals import change
from regard.report.page import write_page
from regard.report.statistics import best_arm, compare_arms
from regard.report.wording import need

DEFAULT_ARMS = ("none", "se", "cbam")
BARELY_TRAINED = 30
"""Below this many epochs the report says that the networks are barely trained and names the command for a real run."""
DESIGN_FILE = "comparison.json"
QUICK = training.Recipe(epochs=3, batch_size=32, optimizer="adamw", lr=0.01, channels_last=True)


@dataclass(frozen=True)
class Hardware:
    """On what a comparison ran."""

    device: str
    threads: int
    workers: int


@dataclass(frozen=True)
class Compared:
    """What a comparison left: its results and where the report lies."""

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
    model: str = "resnet8",
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
    """Trains a network with each mechanism and without, and reports its score, its cost and what each looks at.

    Every arm gets the same images, recipe, schedule and seeds; arms of one seed share the initial values of all
    parameters they have in common, and their batches. Finished trials are kept: the same command again, with more
    mechanisms or seeds for example, runs only what is missing.

    Args:
        mechanisms: arms, each NAME[:option=value,...]; `static` (a learned constant map) and `wide` (the plain
            network widened to the parameters of the largest arm) are controls. `none`, the plain network, is always in.
        data: fashion-mini, mnist-mini, folder:PATH, npz:PATH, torchvision:NAME, or cluttered: before one of them.
        model: the plain network.
        seeds: trials of each arm; 3 can show only large differences.
        images: training images, a stratified choice, or `all`.
        out: folder of the comparison.
        recipe: how each network is trained.
        augment: augmentation of training images.
        balanced: draw every class equally often.
        size: what the network sees, in pixels, one number for a square or HEIGHTxWIDTH; by default that of the images
            where all have one size up to 96 pixels, else a square of up to 224.
        fit: how images of other shapes come to that size: `crop` cuts the middle out, `pad` adds a border, `squeeze`
            changes their shape.
        reading: how its images are read and divided.
        device: where to train.
        threads: processor threads in all; all of them where it is left out.
        workers: trials trained at the same time; where it is left out, one a thread on a processor, one on a GPU.

    Returns:
        The results and the path of the report.

    Raises:
        RegardError: bad data, an unknown name, or a folder that holds another comparison.
    """
    started = datetime.now(UTC)
    # A program that compares twice may have changed its images in between.
    open_data.cache_clear()
    arms = parse_arms(tuple(mechanisms))
    folder = Path(out)
    budget = training.set_threads(threads)
    place = training.resolve_device(device)
    design = _design(data, model, size, fit, images, augment, balanced, recipe, reading)
    report_source(open_table(design).source)
    for warning in fit_warnings(open_table(design).source, open_table(design).preprocessing):
        say(f"warning: {warning}", style="yellow")
    jobs = _jobs(arms, at_least("compare", "seeds", seeds, 1), folder, design, str(place))
    at_once = budget if place.type == "cpu" else 1
    at_once = min(at_least("compare", "workers", at_once if workers is None else workers, 1), len(jobs))
    _claim(folder, design, place.type)
    finished = _run(jobs, at_once, budget)
    built = measure_arms(jobs[: len(arms)], place)
    say("Drawing the images and the report ...")
    results = _results(
        design, built, finished, folder, started, Hardware(str(place), max(1, budget // at_once), at_once)
    )
    report.write_results(results, folder)
    return Compared(results, write_page(results, show_images(jobs[: len(arms)]), folder / "report.html"))


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
    opened = open_data(source, reading)
    return Design(
        data=source,
        fingerprint=opened.fingerprint,
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
    """Marks the folder as this comparison's; one that holds another is refused, with what differs.

    Trials of another kind of device or another PyTorch count as another comparison: their numbers differ.
    """
    path = folder / DESIGN_FILE
    wanted = json.loads(json.dumps(asdict(design))) | {"device": device, "torch": str(torch.__version__)}
    if not path.exists():
        if (folder / "trials").exists() or (folder / "settings.yaml").exists():
            raise RunError(f"{folder} holds another run: choose another --out, or move that one away.")
        write_whole(path, json.dumps(wanted, indent=1).encode())
        return
    try:
        found = _flat(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RunError(f"{path} is damaged ({error}): choose another --out, or move that folder away.") from error
    asked = _flat(wanted)
    differing = [
        f"{name} was {found.get(name)}, is now {asked.get(name)}"
        for name in {**found, **asked}
        if found.get(name) != asked.get(name)
    ]
    if differing:
        raise RunError(
            f"{folder} holds a comparison with other settings, whose trials cannot be compared with these "
            f"({'; '.join(differing)}): choose another --out, or the same settings."
        )


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with those of the recipe and of the reading beside the others."""
    records = ("recipe", "reading")
    own = {name: value for name, value in settings.items() if name not in records}
    return own | settings["recipe"] | settings["reading"]


def _jobs(arms: tuple[str, ...], seeds: int, folder: Path, design: Design, device: str) -> list[Job]:
    """Every trial, seed by seed, so that an interrupted comparison has whole seeds."""
    backbone = backbone_of(design, open_table(design).source)
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
    """Runs what is missing and returns every trial; a trial that failed is an error once the others are done."""
    finished = {(job.arm, job.seed): read_trial(job.trial_folder) for job in jobs}
    missing = [job for job in jobs if finished[job.arm, job.seed] is None]
    if len(missing) < len(jobs):
        say(f"{len(jobs) - len(missing)} of {len(jobs)} trials are there already.")
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
    plain = arm_network(PLAIN, backbone_of(design, table.source), 0)
    settings = report.Settings(
        run=record_of(plain, table.source, table.preprocessing, data=design.data, reading=design.reading),
        data=_data_record(design),
        recipe=dict(design.recipe.to_json()),
        epochs=design.recipe.epochs,
        seeds=tuple(sorted({t.seed for t in trials})),
        device=hardware.device,
        threads=hardware.threads,
        workers=hardware.workers,
        versions=versions(),
        command=shlex.join(["regard", *sys.argv[1:]]) if sys.argv[1:2] == ["compare"] else "a program in Python",
        real_run=_real_run(design, arms, folder) if design.recipe.epochs < BARELY_TRAINED else "",
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
    available = {str(split): len(images) for split, images in source.splits.items()}
    return report.Data(
        available=available,
        used=available | {"train": len(table.train)},
        licence=source.licence,
        warnings=(*source.warnings, *fit_warnings(source, table.preprocessing)),
        notes=source.notes,
        unit=source.account.unit,
        found=source.account.found,
        left_out=tuple(
            report.LeftOut(reason=reason, count=len(paths), examples=paths[:3])
            for reason, paths in source.account.reasons().items()
        ),
    )


def _real_run(design: Design, arms: tuple[report.Arm, ...], folder: Path) -> str:
    """The line that compares the same arms with properly trained networks."""
    model = "resnet20" if design.model == "resnet8" else design.model
    words = ["regard", "compare", *(arm.spec for arm in arms if not arm.is_plain), "--data", design.data]
    words += ["--model", model, "--images", "all", "--epochs", "60", "--seeds", "5", "--out", f"{folder}-real"]
    given = design.reading.changed_options()
    given |= {"size": design.size} if design.size is not None else {}
    given |= {"fit": design.fit} if design.fit != "crop" else {}
    words += [word for name, value in given.items() for word in ("--" + name.replace("_", "-"), str(value))]
    words += ["--augment", design.augment] * (design.augment != "auto")
    words += ["--balanced"] * design.balanced
    return shlex.join(words)


def _choices(arms: tuple[report.Arm, ...], trials: tuple[report.Trial, ...]) -> tuple[report.Choice, ...]:
    """The mechanism to look at first, chosen on validation images."""
    best = best_arm([arm for arm in arms if not arm.is_plain and not arm.is_control], trials)
    if best is None:
        return ()
    score = trials[0].val.scores.chosen
    most = "highest" if score.better == "higher" else "lowest"
    rule = f"the {most} {score.title} on the validation images, averaged over seeds; controls left out"
    return (report.Choice(what="mechanism", value=best, rule=rule),)
