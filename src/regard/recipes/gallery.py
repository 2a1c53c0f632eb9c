"""The gallery of a report: eight test images with the predictions and maps of every network."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from regard import data, explanation, report, training
from regard.core.answers import answers, is_right
from regard.core.kinds import Axis
from regard.core.records import Map
from regard.core.seeding import generator
from regard.core.tap import taps
from regard.recipes.arms import build_arm
from regard.recipes.caption_table import CaptionTable
from regard.recipes.clip_table import ClipTable
from regard.recipes.insertion import show_own_attention
from regard.recipes.run_folder import WEIGHTS
from regard.recipes.text_table import TextTable
from regard.recipes.trial import Job, open_table
from regard.report.overlays import enlarge, png

IMAGES = 8
MOST_ACTIVE = 5


def show_images(jobs: Sequence[Job]) -> tuple[report.GalleryImage, ...]:
    """Returns eight test images with the predictions and maps of the networks that the jobs trained.

    Args:
        jobs: finished jobs of one comparison, one for each arm.
    """
    table = open_table(jobs[0].design)
    if isinstance(table, TextTable | CaptionTable | ClipTable):
        return ()
    test = table.source.splits["test"]
    chosen = choose(test.labels, IMAGES)
    batch = next(iter(data.loader(test.take(chosen), table.preprocessing, batch_size=IMAGES)))
    seen = table.preprocessing.restore(batch.images)
    shown = [
        report.GalleryImage(
            png=png(enlarge(pixels)), name=test.names(index), label=_label(table.source.classes, test.labels[index])
        )
        for index, pixels in zip(chosen.tolist(), seen, strict=True)
    ]
    for job in jobs:
        net = build_arm(job.arm, table.backbone(job.design.model), 0, reference_parameters=job.reference_parameters)
        training.restore(net, job.trial_folder / WEIGHTS)
        overlays: list[tuple[report.ArmOverlay, ...]] = [()] * IMAGES
        channels: list[tuple[report.ActiveChannels, ...]] = [()] * IMAGES
        if taps(show_own_attention(net)):
            looks = explanation.look(net, batch.images, k=MOST_ACTIVE)
            logits = looks.answers
            overlays, channels = _maps(job.arm, net, looks, seen)
        else:
            with torch.no_grad():
                logits = net.eval()(batch.images)
        assert isinstance(logits, Tensor)
        predicted = _predictions(job.arm, logits, batch.labels, table.source.classes)
        shown = [
            replace(
                image,
                predictions=(*image.predictions, predicted[i]),
                overlays=(*image.overlays, *overlays[i]),
                channels=(*image.channels, *channels[i]),
            )
            for i, image in enumerate(shown)
        ]
    return tuple(shown)


def choose(labels: Tensor, count: int) -> Tensor:
    """Chooses images without regard to any network: one class after another, in a fixed random order.

    Args:
        labels: (n,) class indices, or (n, k) of 0 and 1, of which each image's first class counts.
        count: number of images; fewer if there are fewer.

    Returns:
        (count,) indices.

    Example:
        >>> labels = torch.tensor([0, 0, 1, 1, 2])
        >>> labels[choose(labels, 4)].tolist()
        [0, 1, 2, 0]
    """
    classes = labels if labels.ndim == 1 else labels.argmax(1)
    order = torch.randperm(len(classes), generator=generator("gallery")).tolist()
    turn: dict[int, int] = {}
    rank = {}
    for index in order:
        label = int(classes[index])
        rank[index] = (turn.setdefault(label, 0), label)
        turn[label] += 1
    return torch.tensor(sorted(order, key=lambda index: rank[index])[:count])


def _label(classes: tuple[str, ...], label: Tensor) -> str:
    if label.ndim == 0:
        return classes[int(label)]
    return ", ".join(name for name, has in zip(classes, label.tolist(), strict=True) if has) or "none"


def _predictions(arm: str, logits: Tensor, labels: Tensor, classes: tuple[str, ...]) -> list[report.Prediction]:
    several = labels.ndim == 2
    answered, right = answers(logits, multi_label=several), is_right(logits, labels)
    if several:
        yes = logits.sigmoid()
        sure = torch.where(answered > 0, yes, 1 - yes).prod(1)
    else:
        sure = logits.softmax(1).gather(1, answered.unsqueeze(1)).squeeze(1)
    return [
        report.Prediction(arm=arm, answer=_label(classes, answer), probability=float(share), right=bool(hit))
        for answer, share, hit in zip(answered, sure, right, strict=True)
    ]


def _maps(
    arm: str, net: nn.Module, looks: explanation.Looks, seen: Tensor
) -> tuple[list[tuple[report.ArmOverlay, ...]], list[tuple[report.ActiveChannels, ...]]]:
    """Returns for each image an overlay of every map with positions, and the most active channels of the others."""
    maps = looks.maps.by_name()
    overlays: list[tuple[report.ArmOverlay, ...]] = []
    channels: list[tuple[report.ActiveChannels, ...]] = []
    for i, image in enumerate(seen):
        laid = []
        for name, attn in maps.items():
            positions = attn.positions()
            if positions is not None and positions.ndim == 3:
                over = report.overlay(image, positions[min(i, len(positions) - 1)])
                laid.append(report.ArmOverlay(arm=arm, tap=name, png=over.png(), caption=over.caption))
        overlays.append(tuple(laid))
        channels.append(tuple(_active(arm, net, maps[name], found, i) for name, found in looks.active.items()))
    return overlays, channels


def _active(
    arm: str, net: nn.Module, seen: Map, found: explanation.ActiveChannels, image: int
) -> report.ActiveChannels:
    weights = found.weights[image].tolist()
    tap = taps(net)[found.path]
    return report.ActiveChannels(
        arm=arm,
        tap=seen.name,
        channels=seen.values.shape[seen.kind.span(Axis.CHANNEL, seen.values.ndim).start],
        top=tuple(zip(found.channels[image].tolist(), weights, strict=True)),
        high=tap.high if math.isfinite(tap.high) else max(weights),
    )
