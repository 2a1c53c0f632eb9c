"""The channels with the largest weights in an image, and their features."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard.core.records import Map, Maps
from regard.explanation.paths import Paths, enclosing_modules

Outputs = dict[str, list[Tensor]]
"""The outputs of modules by path, one entry a call."""


@dataclass(frozen=True, eq=False)
class ActiveChannels:
    """The k channels with the largest weights at one tap, for each image of a batch.

    Attributes:
        path: the tap's path.
        channels: (b, k) their numbers, the largest weight first.
        weights: (b, k) their weights; a mixed map's averaged over positions, of branches the largest.
        branches: (b, k) the branch of each weight; None unless the map is over branches.
        features: (b, k, ...) the rescaled features of these channels: the output of the innermost module around the tap
            that has as many channels as the map; None if there is none.
    """

    path: str
    channels: Tensor
    weights: Tensor
    branches: Tensor | None
    features: Tensor | None


def most_active(maps: Maps, outputs: Outputs, batch: int, k: int) -> dict[str, ActiveChannels]:
    """The k channels with the largest weights in each map of one pass that has weights of channels.

    Args:
        maps: of one pass.
        outputs: the outputs of the modules around the taps in that pass.
        batch: the number of its images.
        k: the number of channels; all of them if there are fewer. Equal weights keep the order of the channels.

    Returns:
        By the map's name, in the order of the network; without maps of another batch, as those of the frames of clips.
    """
    found = {}
    for name, seen in maps.by_name().items():
        weights, branches = _weights(seen)
        if weights is not None and len(weights) in (1, batch):
            values, order = weights.expand(batch, -1).sort(dim=1, descending=True, stable=True)
            found[name] = ActiveChannels(
                path=seen.path,
                channels=order[:, :k],
                weights=values[:, :k],
                branches=None if branches is None else branches.expand(batch, -1).gather(1, order[:, :k]),
                features=_features(outputs, seen, len(maps[seen.path]), weights.shape[1], order[:, :k]),
            )
    return found


@contextmanager
def capture_outputs(net: nn.Module, paths: Paths) -> Iterator[Outputs]:
    """Captures the outputs of the modules around the taps inside the block; its hooks are removed afterwards."""
    outputs: Outputs = {}

    def keep(path: str, output: object) -> None:
        if isinstance(output, Tensor):
            outputs.setdefault(path, []).append(output)

    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, path=path: keep(path, output))
        for path, module in enclosing_modules(net, paths).items()
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def _weights(seen: Map) -> tuple[Tensor | None, Tensor | None]:
    if (branches := seen.branches()) is not None:
        largest = branches.max(1)
        return largest.values, largest.indices
    return seen.channels(), None


def _features(outputs: dict[str, list[Tensor]], seen: Map, steps: int, channels: int, chosen: Tensor) -> Tensor | None:
    """The chosen channels of the innermost fitting module's output in the map's step."""
    path = seen.path
    while path:
        path = path.rpartition(".")[0]
        returned = outputs.get(path, [])
        output = returned[seen.step] if len(returned) == steps else None
        if output is not None and output.ndim > 2 and output.shape[:2] == (len(chosen), channels):
            if output.shape == seen.values.shape and torch.equal(output.to(seen.values), seen.values):
                continue  # a module that returns the gate itself, as in networks of other libraries
            rows = zip(output, chosen.to(output.device), strict=True)
            return torch.stack([features[numbers] for features, numbers in rows]).to(chosen.device)
    return None
