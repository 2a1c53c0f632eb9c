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


def expect_several_positions(name: str, x: Tensor, one_position: int) -> None:
    """Raises an error for a single image that is too small for training.

    Args:
        name: of the network.
        x: images (b, c, h, w).
        one_position: the largest height and width of an image of which the last stage has one position.
    """
    if x.shape[0] == 1 and max(x.shape[2:]) <= one_position:
        raise ShapeError(
            f"{name}: a single image of {x.shape[2]}x{x.shape[3]} leaves one position per channel in the last stage, "
            "whose variance batch normalisation cannot take: train with batches of two or more (drop_last=True leaves "
            f"out a last batch of one), or with images larger than {one_position}."
        )
