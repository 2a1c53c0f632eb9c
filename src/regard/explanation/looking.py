"""All that a network shows of its attention in one forward pass."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard.core.options import at_least
from regard.core.records import Maps
from regard.core.returns import logits_of
from regard.explanation.activity import ActiveChannels, caught, most_active
from regard.explanation.observation import observe
from regard.explanation.paths import Paths
from regard.explanation.recalibration import restoring


@dataclass(frozen=True, eq=False)
class Looks:
    """What a network did with a batch.

    Attributes:
        answers: mostly scores of classes (b, k), where they were computed; the logits of an `Answer`.
        said: what it returned.
        maps: the maps that it applied.
        active: by the map's name, in the order of the network, the channels with the largest weights; taps without
            weights of channels are left out.
    """

    answers: object
    said: object
    maps: Maps
    active: Mapping[str, ActiveChannels]


def look(
    net: nn.Module,
    inputs: Tensor | tuple[Tensor, ...],
    *,
    k: int = 8,
    paths: Paths = None,
    device: torch.device | str | None = None,
) -> Looks:
    """Runs a network once, in evaluation mode, and keeps its answers, its maps and its most active channels.

    Whoever looks changes rounding at most: what a fused kernel computes without its map is computed with it here. The
    network is put back as it was, also after an exception.

    Args:
        net: any network with taps.
        inputs: a batch as the network takes it, (b, c, h, w) for images; a tuple where it takes several tensors.
        k: how many channels of each map; all of them where there are fewer. Of equal weights the first come first.
        paths: which taps, see `Paths`; all of them if None.
        device: where maps and channels are kept; where they were computed if None.

    Raises:
        RegardError: the network has no taps.
        OptionError: a k under 1.

    Example:
        >>> from regard.attention import create
        >>> net = nn.Sequential(create("se", channels=16), nn.ReLU())
        >>> looks = look(net, torch.randn(2, 16, 8, 8), k=3)
        >>> looks.maps.one("0.gate").values.shape, looks.active["0.gate"].features.shape
        (torch.Size([2, 16, 1, 1]), torch.Size([2, 3, 8, 8]))
    """
    at_least("look", "k", k, 1)
    given = (inputs,) if isinstance(inputs, Tensor) else inputs
    with (
        torch.no_grad(),
        restoring(net),
        observe(net, paths=paths, device=device) as maps,
        caught(net, paths) as outputs,
    ):
        net.eval()
        said = net(*given)
    return Looks(answers=logits_of(said), said=said, maps=maps, active=most_active(maps, outputs, len(given[0]), k))
