"""The channels that a network weighs most in a picture, and what they show."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard.core.options import at_least
from regard.core.records import Map
from regard.explanation.observation import observe
from regard.explanation.places import Paths, around
from regard.explanation.recalibration import restoring


@dataclass(frozen=True, eq=False)
class ActiveChannels:
    """The k channels with the largest weights at one tap, for each picture of a batch.

    Attributes:
        path: the tap's path.
        channels: (b, k) their numbers, the largest weight first.
        weights: (b, k) their weights; a mixed map's averaged over positions, of branches the largest.
        branches: (b, k) which branch has that weight; None unless the map is one over branches.
        features: (b, k, ...) these channels as the mechanism passed them on, weighed; None where no module around the
            tap returned features of these channels.
    """

    path: str
    channels: Tensor
    weights: Tensor
    branches: Tensor | None
    features: Tensor | None


def active_channels(
    net: nn.Module,
    images: Tensor,
    *,
    k: int = 8,
    paths: Paths = None,
    device: torch.device | str | None = None,
) -> dict[str, ActiveChannels]:
    """Finds the channels that the network weighs most in each picture, with their feature maps.

    The features are what the innermost module around the tap returns that has as many channels as the map: the
    output of the mechanism, caught by a forward hook that is removed afterwards. Taps without channel weights are
    left out. The network runs once, in evaluation mode, and is put back as it was.

    Args:
        net: any network with taps.
        images: (b, c, h, w) as the network takes them.
        k: how many channels of each tap; all of them where there are fewer. Of equal weights the first come first.
        paths: which taps, see `Paths`; all of them if None.
        device: where the result is kept; where it was computed if None.

    Returns:
        By the map's name, in the order of the network: its path, the second step of a tap `PATH#2`.

    Raises:
        RegardError: the network has no taps.
        OptionError: a k under 1.
    """
    at_least("active_channels", "k", k, 1)
    with (
        torch.no_grad(),
        restoring(net),
        observe(net, paths=paths, device=device) as maps,
        _outputs(net, paths) as outputs,
    ):
        net.eval()
        net(images)
    found = {}
    for seen in (map for steps in maps.values() for map in steps):
        weights, branches = _weights(seen)
        if weights is not None:
            values, order = weights.expand(len(images), -1).sort(dim=1, descending=True, stable=True)
            found[seen.name] = ActiveChannels(
                path=seen.path,
                channels=order[:, :k],
                weights=values[:, :k],
                branches=None if branches is None else branches.expand(len(images), -1).gather(1, order[:, :k]),
                features=_features(outputs, seen, len(maps[seen.path]), weights.shape[1], order[:, :k]),
            )
    return found


@contextmanager
def _outputs(net: nn.Module, paths: Paths) -> Iterator[dict[str, list[Tensor]]]:
    """What the modules around the taps return inside the block, call by call."""
    outputs: dict[str, list[Tensor]] = {}

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
