"""Eight test pictures with what every network of a comparison sees in them."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from regard import data, explanation, report, training
from regard.core.kinds import Axis
from regard.core.records import Map
from regard.core.seeding import generator
from regard.core.tap import taps
from regard.explanation.overlays import enlarged, png
from regard.recipes.arms import build_arm
from regard.recipes.trial import WEIGHTS_FILE, Job, Table, open_table, trunk_of

PICTURES = 8
MOST_ACTIVE = 5


def show_pictures(jobs: Sequence[Job]) -> tuple[report.Picture, ...]:
    """Eight test pictures, with every arm's answer and maps, from the networks that the jobs trained.

    Args:
        jobs: finished ones of one comparison, one for each arm.
    """
    table = open_table(jobs[0].design)
    test = table.source.splits["test"]
    chosen = choose(test.labels, PICTURES)
    batch = next(iter(data.loader(test.take(chosen), table.preprocessing, batch_size=PICTURES)))
    seen = table.preprocessing.restore(batch.images)
    shown = [
        report.Picture(png=png(enlarged(image)), name=test.names(index), label=_label(table, test.labels[index]))
        for index, image in zip(chosen.tolist(), seen, strict=True)
    ]
    for job in jobs:
        net = build_arm(job.arm, trunk_of(job.design, table.source), 0, reference_parameters=job.reference_parameters)
        training.restore(net, job.trial_folder / WEIGHTS_FILE)
        answers = _predictions(job.arm, net.eval(), batch.images, batch.labels, table.source.classes)
        overlays, channels = _maps(job.arm, net, batch.images, seen) if taps(net) else ([()] * PICTURES,) * 2
        shown = [
            replace(
                picture,
                predictions=(*picture.predictions, answers[i]),
                overlays=(*picture.overlays, *overlays[i]),
                channels=(*picture.channels, *channels[i]),
            )
            for i, picture in enumerate(shown)
        ]
    return tuple(shown)


def choose(labels: Tensor, count: int) -> Tensor:
    """Pictures chosen by a rule that sees no network: class after class, of each the next in an order drawn once.

    Args:
        labels: (n,) class numbers, or (n, k) of 0 and 1, of which each picture's first counts.
        count: how many; fewer where there are fewer pictures.

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


def _label(table: Table, label: Tensor) -> str:
    if label.ndim == 0:
        return table.source.classes[int(label)]
    return ", ".join(name for name, has in zip(table.source.classes, label.tolist(), strict=True) if has) or "none"


@torch.no_grad()
def _predictions(
    arm: str, net: nn.Module, images: Tensor, labels: Tensor, classes: tuple[str, ...]
) -> list[report.Prediction]:
    logits = net(images)
    shares = logits.softmax(1) if labels.ndim == 1 else logits.sigmoid()
    found = []
    for share, label in zip(shares, labels, strict=True):
        best = int(share.argmax())
        right = best == int(label) if label.ndim == 0 else bool(label[best])
        found.append(report.Prediction(arm=arm, answer=classes[best], probability=float(share[best]), right=right))
    return found


def _maps(
    arm: str, net: nn.Module, images: Tensor, seen: Tensor
) -> tuple[list[tuple[report.Overlay, ...]], list[tuple[report.ActiveChannels, ...]]]:
    """For each picture an overlay of every map that has positions, and the most active channels of every other one."""
    active = explanation.active_channels(net, images, k=MOST_ACTIVE)
    with torch.no_grad(), explanation.observe(net) as seen_maps:
        net(images)
    maps = {map.name: map for steps in seen_maps.values() for map in steps}
    overlays: list[tuple[report.Overlay, ...]] = []
    channels: list[tuple[report.ActiveChannels, ...]] = []
    for i, picture in enumerate(seen):
        laid = []
        for name, map in maps.items():
            positions = map.positions()
            if positions is not None and positions.ndim == 3:
                over = explanation.overlay(picture, positions[min(i, len(positions) - 1)])
                laid.append(report.Overlay(arm=arm, tap=name, png=over.png(), caption=over.caption))
        overlays.append(tuple(laid))
        channels.append(tuple(_active(arm, net, maps[name], found, i) for name, found in active.items()))
    return overlays, channels


def _active(
    arm: str, net: nn.Module, seen: Map, found: explanation.ActiveChannels, picture: int
) -> report.ActiveChannels:
    weights = found.weights[picture].tolist()
    tap = taps(net)[found.path]
    return report.ActiveChannels(
        arm=arm,
        tap=seen.name,
        channels=seen.values.shape[seen.kind.span(Axis.CHANNEL, seen.values.ndim).start],
        top=tuple(zip(found.channels[picture].tolist(), weights, strict=True)),
        high=tap.high if math.isfinite(tap.high) else max(weights),
    )
