"""The check of the images that a network is given."""

from torch import Tensor

from regard.core.errors import ShapeError


def expect_images(name: str, in_channels: int, x: Tensor) -> None:
    """Raises an error unless x is a batch of floating-point images with that number of channels.

    >>> import torch
    >>> expect_images("resnet8", 3, torch.zeros(2, 3, 32, 32))
    """
    if x.ndim != 4 or x.shape[1] != in_channels or not x.is_floating_point():
        raise ShapeError(
            f"{name}: the images have shape {tuple(x.shape)} and dtype {x.dtype}; the network takes floating-point "
            f"images (b, {in_channels}, h, w): convert them, or create the network with in_channels= the number of "
            "their channels."
        )
