"""The channels that a network weighs most in an image, and what they show."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard.core.records import Map, Maps
from regard.explanation.paths import Paths, around

Outputs = dict[str, list[Tensor]]
"""What modules returned, by their path, call by call."""


@dataclass(frozen=True, eq=False)
class ActiveChannels:
    """The k channels with the largest weights at one tap, for each image of a batch.

    Attributes:
        path: the tap's path.
        channels: (b, k) their numbers, the largest weight first.
        weights: (b, k) their weights; a mixed map's averaged over positions, of branches the largest.
        branches: (b, k) which branch has that weight; None unless the map is one over branches.
        features: (b, k, ...) these channels as the mechanism passed them on, weighed: what the innermost module around
            the tap returned that has as many channels as the map; None where there was none.
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
        outputs: what the modules around the taps returned in that pass.
        batch: how many images it had.
        k: how many channels; all of them where there are fewer. Of equal weights the first come first.

    Returns:
        By the map's name, in the order of the network.
    """
    found = {}
    for name, seen in maps.by_name().items():
        weights, branches = _weights(seen)
        if weights is not None:
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
def caught(net: nn.Module, paths: Paths) -> Iterator[Outputs]:
    """What the modules around the taps return inside the block, call by call; its hooks are removed afterwards."""
    outputs: Outputs = {}

    def keep(path: str, output: object) -> None:
        if isinstance(output, Tensor):
            outputs.setdefault(path, []).append(output)

    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, path=path: keep(path, output))
        for path, module in around(net, paths).items()
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
    """The chosen channels of what the innermost fitting module returned in the map's step."""
    path = seen.path
    while path:
        path = path.rpartition(".")[0]
        returned = outputs.get(path, [])
        output = returned[seen.step] if len(returned) == steps else None
        if output is not None and output.ndim > 2 and output.shape[:2] == (len(chosen), channels):
            rows = zip(output, chosen.to(output.device), strict=True)
            return torch.stack([features[numbers] for features, numbers in rows]).to(chosen.device)
    return None
