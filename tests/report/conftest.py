"""A synthetic comparison: invented numbers of realistic size, so that every part of the report has something to show.

Nothing here was trained or measured.
"""

import io
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from regard.core import Epoch, Score, Scores
from regard.core.run_record import DataRecord, InputRecord, NetworkRecord, RunRecord, TaskRecord
from regard.report import (
    AblationRow,
    ActiveChannels,
    Arm,
    ArmOverlay,
    Choice,
    Data,
    GalleryImage,
    GateProfile,
    Memory,
    Outcome,
    Prediction,
    Results,
    Settings,
    Timing,
    Trial,
)
from regard.report.statistics import compare_arms

CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
ARMS = {
    "none": ("none", 77_850, 12_500_000, 1.0, 0.842),
    "se": ("SE", 78_492, 12_502_000, 1.14, 0.851),
    "eca": ("ECA", 77_859, 12_501_000, 1.08, 0.849),
    "cbam": ("CBAM", 78_792, 12_640_000, 1.49, 0.853),
    "bam": ("BAM", 80_113, 12_900_000, 1.22, 0.846),
    "sk": ("SK", 83_970, 14_700_000, 1.85, 0.861),
    "static": ("static", 77_962, 12_501_000, 1.06, 0.844),
}
LAYERS = {"layer1.0.attention": 16, "layer2.0.attention": 32, "layer3.0.attention": 64}
GATES = {"se": "gate", "eca": "gate", "cbam": "channel.gate", "static": "gate"}
MAPS = {"cbam": "spatial.map", "bam": "spatial"}


def invent(seeds: int = 3, epochs: int = 3, classes: tuple[str, ...] = CLASSES) -> Results:
    draw = np.random.default_rng(0)
    arms = tuple(_arm(spec, *facts) for spec, facts in ARMS.items())
    luck = {seed: draw.normal(0, 0.006) for seed in range(seeds)}
    trials = tuple(
        _trial(draw, spec, facts[4] + luck[seed] + draw.normal(0, 0.003), seed, epochs, len(classes))
        for seed in range(seeds)
        for spec, facts in ARMS.items()
    )
    return Results(
        settings=_settings(tuple(range(seeds)), epochs, classes),
        arms=arms,
        trials=trials,
        comparisons=compare_arms(arms, trials) + compare_arms(arms[1:], trials, "static"),
        ablations=tuple(_ablations(draw)),
        gate_profiles=tuple(_profiles(draw, len(classes))),
        choices=(Choice(what="winner", value="sk", rule="highest mean accuracy on validation images"),),
        test_accesses=2,
    )


def _arm(spec: str, name: str, parameters: int, macs: int, ratio: float, _: float) -> Arm:
    wide = (ratio * 0.98, ratio * 1.03)
    return Arm(
        spec=spec,
        name=name,
        is_control=spec == "static",
        parameters=parameters,
        macs=macs,
        sites=0 if spec == "none" else 3,
        inference=Timing(
            milliseconds=21.3 * ratio,
            quartiles=(20.9 * ratio, 22.0 * ratio),
            ratio=ratio,
            ratio_quartiles=wide,
            batch=64,
        ),
        training=Timing(
            milliseconds=64.0 * ratio,
            quartiles=(62.0 * ratio, 67.0 * ratio),
            ratio=ratio,
            ratio_quartiles=wide,
            batch=64,
        ),
        memory=Memory(bytes=int(61_000_000 * (0.6 + 0.4 * ratio)), ratio=0.6 + 0.4 * ratio),
    )


def _trial(draw: np.random.Generator, arm: str, accuracy: float, seed: int, epochs: int, k: int) -> Trial:
    history = tuple(
        Epoch(
            epoch=e,
            step=47 * e,
            train_loss=0.42 + 1.1 * math.exp(-e / epochs * 3) + draw.normal(0, 0.01),
            val=scores_of(
                loss=0.45 + 0.9 * math.exp(-e / epochs * 3) + draw.normal(0, 0.02),
                accuracy=accuracy - 0.3 * math.exp(-e / epochs * 4) + draw.normal(0, 0.004),
            ),
            lr=0.1 * (1 - e / (epochs + 1)),
            seconds=3.1,
        )
        for e in range(1, epochs + 1)
    )
    return Trial(
        arm=arm,
        seed=seed,
        epochs=epochs,
        history=history,
        val=_outcome(accuracy + draw.normal(0, 0.003), 1000, k),
        test=_outcome(accuracy, 2000, k),
        seconds=9.4,
        weights=f"trials/{arm}-{seed}/weights.safetensors",
    )


def scores_of(**values: float) -> Scores:
    """Scores of a classifier by name, chosen by accuracy."""
    lower = ("loss", "calibration_error")
    scores = [
        Score(name=n, value=v, better="lower" if n in lower else "higher", unit="" if n == "loss" else "%")
        for n, v in values.items()
    ]
    return Scores(all=tuple(scores), choice="accuracy")


def with_classes(results: Results, classes: tuple[str, ...]) -> Results:
    """The results of a task with these classes."""
    run = results.settings.run
    task = replace(run.task, classes=classes)
    return replace(results, settings=replace(results.settings, run=replace(run, task=task)))


def as_errors(results: Results) -> Results:
    """The same comparison by an error in pixels, of which less is better: what was better stays better."""

    def turned(scores: Scores) -> Scores:
        error = 10 * (1 - scores["accuracy"])
        one = Score(name="mean_absolute_error", value=error, better="lower", unit="px")
        return Scores(all=(one,), choice="mean_absolute_error")

    trials = tuple(
        replace(
            trial,
            history=tuple(replace(epoch, val=turned(epoch.val)) for epoch in trial.history),
            val=Outcome(n=trial.val.n, scores=turned(trial.val.scores)),
            test=Outcome(n=trial.test.n, scores=turned(trial.test.scores)),
        )
        for trial in results.trials
    )
    comparisons = compare_arms(results.arms, trials) + compare_arms(results.arms[1:], trials, "static")
    return replace(results, trials=trials, comparisons=comparisons)


def _outcome(accuracy: float, n: int, k: int) -> Outcome:
    right, each = round(accuracy * n / k), n // k
    confusion = tuple(
        tuple(right if i == j else (each - right if j == (i + 1) % k else 0) for j in range(k)) for i in range(k)
    )
    return Outcome(
        n=n,
        scores=scores_of(
            accuracy=round(accuracy * n) / n, loss=0.48, balanced_accuracy=right / each, calibration_error=0.031
        ),
        recall=(right / each,) * k,
        confusion=confusion,
    )


def _settings(seeds: tuple[int, ...], epochs: int, classes: tuple[str, ...]) -> Settings:
    return Settings(
        run=RunRecord(
            network=NetworkRecord(name="resnet8"),
            input=InputRecord(kind="image", options={"size": [28, 28]}),
            task=TaskRecord(name="classification", options={"multi_label": False}, classes=classes),
            data=DataRecord(name="fashion-mini", fingerprint="b2:4f1e09a7c3d5"),
        ),
        data=Data(
            available={"train": 6000, "val": 1000, "test": 2000},
            used={"train": 3000, "val": 1000, "test": 2000},
            licence="Fashion-MNIST, Zalando SE, MIT licence",
        ),
        recipe={
            "epochs": epochs,
            "batch_size": 64,
            "optimizer": "sgd",
            "lr": 0.1,
            "momentum": 0.9,
            "weight_decay": 0.0005,
            "warmup_epochs": 0.3,
            "label_smoothing": 0.0,
            "augment": "light",
            "ema": None,
        },
        epochs=epochs,
        seeds=seeds,
        device="cpu",
        threads=1,
        workers=2,
        versions={"regard": "0.1.0", "python": "3.12.3", "torch": "2.11.0", "torchvision": "0.26.0"},
        command="regard compare",
        real_run="regard compare --data torchvision:CIFAR100 --model resnet56 --epochs 200 --images all --seeds 10",
        started="2025-01-01T10:00:00+00:00",
        finished="2025-01-01T10:05:12+00:00",
        seconds=312.0,
    )


def _ablations(draw: np.random.Generator) -> list[AblationRow]:
    rows, losses = [], {"trained": 0, "mean": 9, "swapped": 28, "permuted": 190, "neutral": 90}
    for arm, strength in {"se": 1, "eca": 0.3, "cbam": 4, "bam": 2, "sk": 1.5, "static": 0}.items():
        for mode, loss in losses.items():
            gained = 6 if strength and mode != "trained" else 0
            lost = round(loss * strength) + gained if mode != "trained" else 0
            if arm == "static" and mode in ("permuted", "neutral"):
                lost = 60
            accuracy = (850 - lost + gained) / 1000
            rows.append(
                AblationRow(
                    arm=arm,
                    seed=0,
                    mode=mode,
                    renormalised=False,
                    accuracies=(accuracy,),
                    n=1000,
                    lost=() if mode == "trained" else (lost,),
                    gained=() if mode == "trained" else (gained,),
                )
            )
    return rows


def _profiles(draw: np.random.Generator, k: int) -> list[GateProfile]:
    profiles = []
    for arm, tap in GATES.items():
        for depth, (layer, c) in enumerate(LAYERS.items()):
            overall = 1 / (1 + np.exp(-draw.normal(0, 0.6, c)))
            spread = 0.0 if arm == "static" else 0.01 + 0.05 * depth
            by_class = np.clip(overall + draw.normal(0, spread, (k, c)), 0, 1)
            profiles.append(
                GateProfile(
                    arm=arm,
                    seed=0,
                    tap=f"{layer}.{tap}",
                    by_class=tuple(tuple(map(float, row)) for row in by_class),
                    overall=tuple(map(float, by_class.mean(0))),
                )
            )
    return profiles


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def invent_images(results: Results, count: int = 8, size: int = 28) -> tuple[GalleryImage, ...]:
    draw, classes = np.random.default_rng(1), results.settings.classes
    return tuple(_image(draw, i, classes, [a.spec for a in results.arms], size) for i in range(count))


def _image(draw: np.random.Generator, i: int, classes: tuple[str, ...], arms: list[str], size: int) -> GalleryImage:
    y, x = np.mgrid[:size, :size] / size - 0.5
    blob = np.exp(-((x - draw.uniform(-0.2, 0.2)) ** 2 + (y * draw.uniform(0.6, 1.5)) ** 2) * 14)
    grey = (255 * blob).astype(np.uint8)
    overlays = []
    for arm, tap in MAPS.items():
        for depth, layer in enumerate(LAYERS):
            heat = np.exp(-((x - draw.uniform(-0.3, 0.3)) ** 2 + (y - draw.uniform(-0.3, 0.3)) ** 2) * (30 - 8 * depth))
            shade = np.stack([255 * heat, grey * 0.6, 160 * (1 - heat)], 2).astype(np.uint8)
            big = np.asarray(Image.fromarray(shade).resize((224, 224), Image.Resampling.NEAREST))
            overlays.append(
                ArmOverlay(arm=arm, tap=f"{layer}.{tap}", png=png(big), caption=f"0.{31 + depth} to 0.{62 + i}")
            )
    channels = [
        ActiveChannels(
            arm=arm,
            tap=f"{layer}.{tap}",
            channels=c,
            top=tuple((int(n), float(w)) for n, w in zip(draw.permutation(c)[:3], (0.83, 0.79, 0.74), strict=True)),
        )
        for arm, tap in GATES.items()
        for layer, c in LAYERS.items()
    ]
    label = classes[i % len(classes)]
    predictions = tuple(
        Prediction(
            arm=arm,
            answer=label if draw.random() < 0.8 else classes[(i + 3) % len(classes)],
            probability=float(draw.uniform(0.4, 0.99)),
            right=True,
        )
        for arm in arms
    )
    predictions = tuple(replace(p, right=p.answer == label) for p in predictions)
    return GalleryImage(
        png=png(grey), name=f"test {40 * i + 7}", label=label, predictions=predictions, overlays=tuple(overlays),
        channels=tuple(channels),
    )  # fmt: skip


@pytest.fixture(scope="session")
def results() -> Results:
    return invent()


@pytest.fixture(scope="session")
def errors(results: Results) -> Results:
    return as_errors(results)


@pytest.fixture(scope="session")
def images(results: Results) -> tuple[GalleryImage, ...]:
    return invent_images(results)
