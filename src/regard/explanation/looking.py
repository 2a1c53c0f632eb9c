"""The answers, maps and most active channels of one forward pass."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard.core.options import at_least
from regard.core.records import Maps
from regard.core.returns import logits_of
from regard.explanation.activity import ActiveChannels, capture_outputs, most_active
from regard.explanation.observation import observe
from regard.explanation.paths import Paths
from regard.explanation.recalibration import restore_state


@dataclass(frozen=True, eq=False)
class Looks:
    """The results of one forward pass of a network.

    Attributes:
        answers: usually scores of classes (b, k), on the device of the network; the logits of an `Answer`.
        output: the unchanged output of the network.
        maps: the maps that it applied.
        active: by the map's name, in the order of the network, the channels with the largest weights; taps without
            weights of channels are left out.
    """

    answers: object
    output: object
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

    The outputs differ from those of an unobserved pass by rounding at most: operations that a fused kernel computes
    without its map are computed with it here. The network is restored afterwards, also after an exception.

    Args:
        net: any network with taps.
        inputs: a batch of inputs of the network, (b, c, h, w) for images; a tuple if it takes several tensors.
        k: the number of channels of each map; all of them if there are fewer. Equal weights keep the channels' order.
        paths: the taps, see `Paths`; all of them if None.
        device: the device of the maps and channels; if None, the device on which they were computed.

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
        restore_state(net),
        observe(net, paths=paths, device=device) as maps,
        capture_outputs(net, paths) as outputs,
    ):
        net.eval()
        output = net(*given)
    return Looks(
        answers=logits_of(output), output=output, maps=maps, active=most_active(maps, outputs, len(given[0]), k)
    )
