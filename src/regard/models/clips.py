"""The networks for clips and sounds by name."""

import inspect

import torch
from torch import nn

from regard.core.errors import OptionError, UnknownNameError, unknown_name
from regard.core.spec import Spec
from regard.models.clipnet import ClipNet
from regard.models.initialisation import initialise
from regard.models.resnet1d import ResNet1D
from regard.models.resnet3d import ResNet3D

CLIP_NETWORKS: dict[str, type[ClipNet] | type[ResNet3D] | type[ResNet1D]] = {
    "clipnet": ClipNet,
    "resnet3d": ResNet3D,
    "resnet1d": ResNet1D,
}
"""They have their options on the same line: `clipnet:backbone=resnet20,recurrent=attention`, `resnet3d:depth=14`;
`resnet1d` is for sounds and series."""

_GIVEN = ("num_classes", "in_channels", "attention")


def create_clip_network(
    name: str, *, num_classes: int, in_channels: int, attention: str | Spec | None = None, seed: int | None = None
) -> nn.Module:
    """Creates a network that classifies clips or sounds, with random weights; it is called as `net(clips, mask)`.

    Args:
        name: `clipnet` or `resnet3d` for clips, `resnet1d` for sounds and series, with options after a colon, see
            `ClipNet`, `ResNet3D` and `ResNet1D`.
        num_classes: number of outputs.
        in_channels: channels of a frame, or of a series.
        attention: a mechanism with its options, or None.
        seed: see `initialise`; without a seed one is drawn from PyTorch's generator.

    Raises:
        UnknownNameError: no such network or mechanism.
        OptionError: an option that does not exist, or is out of its range.

    Example:
        >>> create_clip_network("clipnet:recurrent=plain", num_classes=3, in_channels=1, seed=0).lstm.hidden
        128
    """
    spec = Spec.parse(name)
    if spec.name not in CLIP_NETWORKS:
        raise UnknownNameError(
            f"{unknown_name('network for clips', spec.name, CLIP_NETWORKS)} A network for images sees the frames of "
            "clips as clipnet:backbone=NAME."
        )
    network = CLIP_NETWORKS[spec.name]
    allowed = [option for option in inspect.signature(network).parameters if option not in _GIVEN]
    for option in spec.options:
        if option not in allowed:
            raise OptionError(str(unknown_name(f"option of {spec.name!r}", option, allowed)))
    net = network(
        num_classes=num_classes,
        in_channels=in_channels,
        attention=attention,
        **spec.options,  # type: ignore[arg-type]
    )
    return initialise(net, int(torch.randint(2**62, ()) if seed is None else seed))
