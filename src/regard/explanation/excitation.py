"""The channel weights averaged over the images of each class."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard.core.devices import device_of
from regard.core.errors import DataError
from regard.core.records import Map
from regard.explanation.batches import Batches, ImageSet
from regard.explanation.observation import observe
from regard.explanation.paths import Paths
from regard.explanation.recalibration import restore_state


@dataclass(frozen=True, eq=False)
class ClassGates:
    """The channel weights of one tap, by class.

    Attributes:
        path: the tap's path.
        branch: the branch that they rescale; None unless the map is over branches.
        mean: (k, c) the mean over the images of each class; NaN for a class without images.
        std: (k, c) the standard deviation over those images (divided by their number).
        overall: (c,) the mean over all images.
        overall_std: (c,) the standard deviation over all images.
        counts: (k,) the number of images of each class.
        neutral: the weight that does nothing.
    """

    path: str
    branch: int | None
    mean: Tensor
    std: Tensor
    overall: Tensor
    overall_std: Tensor
    counts: Tensor
    neutral: float


def gates_by_class(
    net: nn.Module, batches: Batches, classes: Sequence[str], *, paths: Paths = None
) -> dict[str, ClassGates]:
    """The channel weights averaged over the images of each class, as in the SENet paper's figure on excitation.

    The network runs in evaluation mode and is restored afterwards. A mixed map is averaged over positions first; a map
    over branches gives one entry a branch, under `PATH[0]`, `PATH[1]` and so on, the second step of a tap one under
    `PATH#2`. Taps without channel weights are left out. An image with several classes counts for each of them.

    Args:
        net: any network with taps.
        batches: images with their labels, see `Batches`.
        classes: the names of the k classes.
        paths: the taps, see `Paths`; all of them if None.

    Returns:
        By the map's name, in the order of the network.

    Raises:
        RegardError: the network has no taps.
        DataError: no images, or a label that is not among the classes.
    """
    sums: dict[str, _Sums] = {}
    with torch.no_grad(), restore_state(net):
        net.eval()
        for _, batch in ImageSet(batches, "evaluation"):
            with observe(net, paths=paths, device="cpu") as maps:
                net(*batch.to(device_of(net)).network_inputs())
            members = _members(batch.labels.cpu(), len(classes))
            for seen in (step for steps in maps.values() for step in steps):
                for name, branch, weights in _weights(seen):
                    sums.setdefault(name, _Sums(seen, branch)).add(weights.double(), members)
    return {name: total.finish() for name, total in sums.items()}


def _members(labels: Tensor, classes: int) -> Tensor:
    """(b, k) 1 where an image has the class, and a last column of ones for all images."""
    if labels.ndim == 1:
        for label in labels[(labels < 0) | (labels >= classes)].tolist():
            raise DataError(f"A label is {label}, but {classes} classes are named: labels must be 0 to {classes - 1}.")
        labels = nn.functional.one_hot(labels.long(), classes)
    elif labels.shape[1] != classes:
        raise DataError(f"The labels have {labels.shape[1]} columns, but {classes} classes are named.")
    return torch.cat([labels.double(), torch.ones(len(labels), 1, dtype=torch.float64)], 1)


def _weights(seen: Map) -> Iterator[tuple[str, int | None, Tensor]]:
    """Name, branch and (b, c) weights of a map that has weights of channels."""
    if (branches := seen.branches()) is not None:
        for branch, values in enumerate(branches.unbind(1)):
            yield f"{seen.name}[{branch}]", branch, values
    elif (channels := seen.channels()) is not None:
        yield seen.name, None, channels


class _Sums:
    """Sums over images for each class, and for all."""

    def __init__(self, seen: Map, branch: int | None) -> None:
        self.path, self.branch, self.neutral = seen.path, branch, seen.neutral
        self.first: Tensor | float = 0.0
        self.second: Tensor | float = 0.0
        self.count: Tensor | float = 0.0

    def add(self, weights: Tensor, members: Tensor) -> None:
        weights = weights.expand(len(members), -1)
        self.first = self.first + members.T @ weights
        self.second = self.second + members.T @ weights.square()
        self.count = self.count + members.sum(0)

    def finish(self) -> ClassGates:
        count = torch.as_tensor(self.count)
        mean = torch.as_tensor(self.first) / count.unsqueeze(1)
        variance = torch.as_tensor(self.second) / count.unsqueeze(1) - mean.square()
        mean, std = mean.float(), variance.clamp(min=0).sqrt().float()
        return ClassGates(
            path=self.path,
            branch=self.branch,
            mean=mean[:-1],
            std=std[:-1],
            overall=mean[-1],
            overall_std=std[-1],
            counts=count[:-1].long(),
            neutral=self.neutral,
        )
