"""Measurements of what the gates of a trained network do: ablations, gates of other images, and their statistics."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.pretrained.rendering import Task
from benchmarks.pretrained.table import ALONE
from regard.core.batch import ImageBatch
from regard.core.seeding import generator
from regard.explanation import ClassGates, ablate, gates_by_class, observe, replace_maps
from regard.explanation.evidence import paired_drop
from regard.explanation.substitution import derangement
from regard.recipes.console import say

Batches = Sequence[ImageBatch]
Gates = Mapping[str, Tensor]
"""By the path of the tap, (n, c, 1, 1) for the images of a set or (1, c, 1, 1) for all of them."""

WIDTHS = (0, 4, 6, 9, 99)
"""The bounds of groups of lines by their width; one of 4 heights fills the network's input."""


@dataclass(frozen=True, eq=False)
class Measured:
    """The results of one network.

    Attributes:
        record: numbers for JSON.
        gates: by the path of the tap, the gates by class on the evaluation images.
    """

    record: dict[str, Any]
    gates: Mapping[str, ClassGates]


def measure(
    net: nn.Module,
    task: Task,
    evaluation: Batches,
    training: Batches,
    *,
    draws: int,
    widths: Tensor | None = None,
) -> Measured:
    """Ablates all gates at once and each layer alone, gives images the gates of others, and describes the gates.

    The statistics of batch normalisation stay as they are. The network's own training images cannot be had, and
    recomputing the statistics on rendered ones changes the accuracy by itself: `renormalised` is that accuracy.

    Args:
        net: the network.
        task: the names of the classes.
        evaluation: the images that are judged.
        training: the images over which the mean of the gates is taken.
        draws: repetitions of swapped and permuted gates.
        widths: (n,) the widths of evaluation images over their heights, where they tell something.
    """
    begun = time.monotonic()
    labels = torch.cat([batch.labels for batch in evaluation])
    everything = ablate(net, evaluation, training, draws=draws, renormalise=False, announce=say)
    renormalised = ablate(net, evaluation, training, modes=("trained",), renormalise=True)
    own, answers = record_gates(net, evaluation)
    mean = {path: found.overall[None, :, None, None] for path, found in _by_class(net, training, task).items()}
    by_class = _by_class(net, evaluation, task)
    right = (answers == labels).double()
    traits = {"by_colour": colours(torch.cat([batch.images for batch in evaluation]))}
    if widths is not None:
        traits["by_width"] = torch.stack([widths, widths.log(), 1 / widths], 1).double()
    layers = []
    for path, found in by_class.items():
        say(f"{task.name}: {path} alone")
        alone = ablate(net, evaluation, training, modes=ALONE, draws=1, renormalise=False, paths=path)
        layers.append({"path": path} | describe(found, own[path], traits) | {"rows": alone.to_json()["rows"]})
    confusion = torch.bincount(labels * len(task.classes) + answers, minlength=len(task.classes) ** 2)
    record = {
        "confusion": confusion.view(len(task.classes), -1).tolist(),
        "ablation": everything.to_json(),
        "renormalised": renormalised.row("trained", renormalised=True).accuracy,
        "replaced": _replace_all(net, evaluation, own, mean, right),
        "layers": layers,
        "widths": [] if widths is None else losses_by_width(net, evaluation, mean, right, widths),
        "minutes": round((time.monotonic() - begun) / 60, 1),
    }
    return Measured(record, by_class)


def _replace_all(net: nn.Module, batches: Batches, own: Gates, mean: Gates, right: Tensor) -> dict[str, Any]:
    """The accuracy with each replacement that `ablate` does not have."""
    labels = torch.cat([batch.labels for batch in batches])
    found = {mode: judge(net, batches, gates, right) for mode, gates in constant_gates(mean).items()}
    for mode, donors in choose_donors(labels).items():
        given = {path: gates[donors] for path, gates in own.items()}
        found[mode] = judge(net, batches, given, right, labels[donors])
    return found


def _by_class(net: nn.Module, batches: Batches, task: Task) -> dict[str, ClassGates]:
    return gates_by_class(net, batches, task.classes)


def record_gates(net: nn.Module, batches: Batches) -> tuple[dict[str, Tensor], Tensor]:
    """The gates of every image, and the answers (n,) of the network."""
    with torch.no_grad(), observe(net) as maps:
        answers = torch.cat([net(batch.images).argmax(1) for batch in batches])
    return {path: torch.cat([one.values for one in seen]) for path, seen in maps.items()}, answers


def constant_gates(mean: Gates) -> dict[str, Gates]:
    """Gates that are the same for all images: the means permuted over channels, and one number for each layer."""
    permuted = {path: gate[:, derangement(gate.shape[1], generator("pretrained", path))] for path, gate in mean.items()}
    return {"mean permuted": permuted, "one number": {path: gate.mean(1, keepdim=True) for path, gate in mean.items()}}


def choose_donors(labels: Tensor) -> dict[str, Tensor]:
    """For every image the number of another one of its class, and of one of another class."""
    random = generator("pretrained", "donors")
    same, other = torch.empty_like(labels), torch.empty_like(labels)
    for label in labels.unique():
        inside, outside = (labels == label).nonzero()[:, 0], (labels != label).nonzero()[:, 0]
        same[inside] = inside[derangement(len(inside), random)]
        other[inside] = outside[torch.randint(len(outside), (len(inside),), generator=random)]
    return {"same class": same, "other class": other}


def judge(
    net: nn.Module, batches: Batches, gates: Gates, before: Tensor, donors: Tensor | None = None
) -> dict[str, Any]:
    """The accuracy with these gates, and the loss against `before` (n,), which is 1 for images that were right.

    Args:
        net: the network.
        batches: the images.
        gates: the replacements.
        before: the correctness with the gates as trained.
        donors: (n,) the classes of the images that the gates are taken from; then `donors` is the share of images that
            are given the donor's class.
    """
    answer, labels = replaced_answers(net, batches, gates), torch.cat([batch.labels for batch in batches])
    right = (answer == labels).double()
    found = {"accuracy": float(right.mean()), "drop": asdict(paired_drop(before, right))}
    return found if donors is None else found | {"donors": float((answer == donors).double().mean())}


def replaced_answers(net: nn.Module, batches: Batches, gates: Gates) -> Tensor:
    """The answers (n,) of the network with these gates."""
    answers, done = [], 0
    with torch.no_grad():
        for batch in batches:
            part = {path: gate if len(gate) == 1 else gate[done : done + len(batch)] for path, gate in gates.items()}
            with replace_maps(net, part):
                answers.append(net(batch.images).argmax(1))
            done += len(batch)
    return torch.cat(answers)


def losses_by_width(
    net: nn.Module, batches: Batches, mean: Gates, before: Tensor, widths: Tensor
) -> list[dict[str, Any]]:
    """The accuracy of narrow to wide images with the gates as trained and frozen at their mean."""
    after = (replaced_answers(net, batches, mean) == torch.cat([batch.labels for batch in batches])).double()
    found = []
    for low, high in pairwise(WIDTHS):
        inside = (widths >= low) & (widths < high)
        if inside.any():
            drop = asdict(paired_drop(before[inside], after[inside]))
            images, accuracy = int(inside.sum()), float(before[inside].mean())
            found.append({"from": low, "to": high, "images": images, "accuracy": accuracy, "drop": drop})
    return found


def colours(images: Tensor) -> Tensor:
    """(n, 6) the mean and the standard deviation of each colour of an image."""
    flat = images.flatten(2).double()
    return torch.cat([flat.mean(2), flat.std(2)], 1)


def describe(found: ClassGates, gates: Tensor, traits: Mapping[str, Tensor]) -> dict[str, Any]:
    """The statistics of one layer's gates (n, c, 1, 1).

    `over_images` is the standard deviation over images, averaged over channels; `over_channels` that of the channels'
    means. `by_class` is the share of the variance over images, summed over channels, that lies between classes. For
    each trait of the images (n, p) there is the share that a linear function of it explains.
    """
    share = (found.counts / found.counts.sum())[:, None]
    between = ((found.mean - found.overall).square() * share).sum(0)
    numbers = {
        "mean": gates.mean(),
        "over_images": found.overall_std.mean(),
        "over_channels": found.overall.std(correction=0),
        "at_zero": (gates == 0).double().mean(),
        "at_one": (gates == 1).double().mean(),
        "by_class": between.sum() / found.overall_std.square().sum(),
        **{name: explained_share(gates.flatten(1).double(), trait) for name, trait in traits.items()},
    }
    return {"channels": gates.shape[1]} | {name: round(float(value), 5) for name, value in numbers.items()}


def explained_share(values: Tensor, predictors: Tensor) -> Tensor:
    """The share of the variance of values (n, c) over n that a linear function of the predictors (n, p) explains."""
    centred, inputs = values - values.mean(0), predictors - predictors.mean(0)
    fitted = inputs @ torch.linalg.lstsq(inputs, centred, driver="gelsd").solution
    return 1 - (centred - fitted).square().sum() / centred.square().sum()
