"""What a loader yields and a training step takes."""

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Pictures with their labels.

    Attributes:
        images: (b, c, h, w), floating point, normalised.
        labels: (b,) class numbers, int64; (b, k) of 0 and 1, float32, where a picture may have several classes.
        indices: (b,) each picture's number in its split, int64.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor
