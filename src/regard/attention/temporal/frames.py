"""Frames of clips (b, c, t, h, w), and steps of sequences (b, c, t): their masks and their means."""

import torch
from torch import Tensor

from regard.core.errors import ShapeError
from regard.core.precision import wide


def clear_padding(owner: str, x: Tensor, mask: Tensor | None) -> Tensor:
    """x with zeros in the frames that the mask says are not there, whatever they held.

    Args:
        owner: the mechanism, for errors.
        x: (b, c, t) or (b, c, t, h, w).
        mask: (b, t) of bool, True where there is a frame; None where all are.

    Raises:
        ShapeError: a mask that does not fit x.

    Example:
        >>> clear_padding("frame_gate", torch.tensor([[[1.0, torch.nan]]]), torch.tensor([[True, False]])).tolist()
        [[[1.0, 0.0]]]
    """
    if mask is None:
        return x
    if mask.dtype != torch.bool or mask.shape != (x.shape[0], x.shape[2]):
        raise ShapeError(
            f"{owner}: mask has shape {tuple(mask.shape)} and dtype {mask.dtype}; for x {tuple(x.shape)} it "
            f"must be bool, ({x.shape[0]}, {x.shape[2]}), True where there is a frame."
        )
    return torch.where(mask.reshape(x.shape[0], 1, x.shape[2], *(1,) * (x.ndim - 3)), x, 0)


def frame_means(x: Tensor) -> Tensor:
    """(b, c, t) the mean over the positions of each frame, in at least float32; a sequence as it is.

    >>> frame_means(torch.ones(2, 8, 5, 3, 3)).shape
    torch.Size([2, 8, 5])
    """
    return x if x.ndim == 3 else x.flatten(3).mean(3, dtype=wide(x.dtype))
