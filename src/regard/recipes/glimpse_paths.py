"""The path of glimpses of a network over an image, for a figure."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from regard.attention.spatial.glimpse import Glimpse
from regard.core.returns import Answer
from regard.data import Preprocessing
from regard.explanation import Looks
from regard.report.glimpse_figure import GlimpsePath


class Sensor(NamedTuple):
    """The glimpse sensor of a network and the path of the tap that carries its positions."""

    module: Glimpse
    tap: str


def find_sensor(net: nn.Module) -> Sensor | None:
    """The first glimpse sensor of a network, or None."""
    for path, module in net.named_modules():
        if isinstance(module, Glimpse):
            return Sensor(module, f"{path}.place".removeprefix("."))
    return None


def path_of(
    net: nn.Module, looks: Looks, images: Tensor, preprocessing: Preprocessing | None, classes: Sequence[str]
) -> GlimpsePath | None:
    """The path of the first image; None of a network without a glimpse sensor that was looked through.

    Args:
        net: any network.
        looks: its pass over the images.
        images: (b, c, h, w), as the network took them.
        preprocessing: restores the values of an image; without it, they are stretched to the range of one.
        classes: names of the classes.
    """
    sensor = find_sensor(net)
    if sensor is None or sensor.tap not in looks.maps:
        return None
    positions = looks.maps.steps(sensor.tap)[0, :, 0].float()
    return GlimpsePath(
        positions=positions.numpy(),
        sides=sensor.module.sides,
        seen=_patches(sensor.module, images[:1], positions, preprocessing),
        probabilities=_probabilities(looks.output, len(positions)),
        classes=tuple(classes),
    )


@torch.no_grad()
def _patches(
    sensor: Glimpse, image: Tensor, positions: Tensor, preprocessing: Preprocessing | None
) -> "np.typing.NDArray[np.uint8]":
    """(t, k, g, g, 3), each patch as an image."""
    images = image.float().cpu().expand(len(positions), -1, -1, -1)
    patches = sensor(images, positions.cpu()).unflatten(1, (len(sensor.sides), image.shape[1]))
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
