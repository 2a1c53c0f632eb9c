"""How a network looked at an image through its glimpses, for a figure."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from regard.attention.spatial.glimpse import Glimpse
from regard.core.returns import Answer
from regard.core.tap import taps
from regard.data import Preprocessing
from regard.explanation import Looks
from regard.report.glimpse_figure import GlimpsePath


def path_of(
    net: nn.Module, looks: Looks, images: Tensor, preprocessing: Preprocessing | None, classes: Sequence[str]
) -> GlimpsePath | None:
    """The path of the first image; None of a network without a glimpse sensor that was looked through.

    Args:
        net: the network.
        looks: what it did with the images.
        images: (b, c, h, w), as the network took them.
        preprocessing: how values become those of an image again; without, they are stretched to it.
        classes: names of the classes.
    """
    for path, sensor in net.named_modules():
        tap = f"{path}.place".removeprefix(".")
        if isinstance(sensor, Glimpse) and tap in taps(net) and tap in looks.maps:
            places = looks.maps.steps(tap)[0, :, 0].float()
            seen = _seen(sensor, images[:1], places, preprocessing)
            return GlimpsePath(
                places=places.numpy(),
                sides=sensor.sides,
                seen=seen,
                probabilities=_probabilities(looks.output, len(places)),
                classes=tuple(classes),
            )
    return None


@torch.no_grad()
def _seen(
    sensor: Glimpse, image: Tensor, places: Tensor, preprocessing: Preprocessing | None
) -> "np.typing.NDArray[np.uint8]":
    """(t, k, g, g, 3), each patch as an image."""
    images = image.float().cpu().expand(len(places), -1, -1, -1)
    patches = sensor(images, places.cpu()).unflatten(1, (len(sensor.sides), image.shape[1]))
    if preprocessing is not None:
        pixels = preprocessing.restore(patches)
    else:
        low, high = float(patches.min()), float(patches.max())
        pixels = ((patches - low) / max(high - low, 1e-12) * 255).round().to(torch.uint8)
    pixels = pixels if pixels.shape[2] == 3 else pixels[:, :, :1].expand(-1, -1, 3, -1, -1)
    return pixels.permute(0, 1, 3, 4, 2).numpy()


def _probabilities(said: object, looks: int) -> "np.typing.NDArray[np.float32] | None":
    """(t, classes) after each look."""
    if not isinstance(said, Answer) or said.looks is None or said.looks.shape[1] != looks:
        return None
    return said.looks[0].float().softmax(1).cpu().numpy()
