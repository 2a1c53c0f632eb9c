"""The interval of a paired difference in accuracy between two runs of one network on the same images."""

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Drop:
    """A fall in accuracy with its 95 % interval, in percentage points; positive where accuracy was lost."""

    points: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.points:.1f} [{self.low:.1f}, {self.high:.1f}]"


def paired_drop(before: Tensor, after: Tensor) -> Drop:
    """The fall from `before` to `after`, with its confidence interval over images of this kind.

    The differences d of single images are averaged, mean(d) +- 1.96 sd(d) / sqrt(n), after adding two imaginary
    images, one lost and one won (Agresti and Min, Statistics in Medicine 2005): without them the interval is too
    short where few images change, and it vanishes where none does. It excludes 0 wherever McNemar's exact test is
    significant at 5 %, and where that would be with one or two images more.

    Args:
        before: (n,) the correctness of each image, from 0 to 1.
        after: (n,) the same for the other run.

    Example:
        >>> import torch
        >>> before = torch.tensor([1.0] * 80 + [0.0] * 20)
        >>> str(paired_drop(before, torch.tensor([1.0] * 70 + [0.0] * 30)))
        '10.0 [3.4, 16.2]'
        >>> str(paired_drop(before, before))
        '0.0 [-2.7, 2.7]'
    """
    differences = before.double() - after.double()
    n = len(differences) + 2
    mean = float(differences.sum()) / n
    square = (float(differences.square().sum()) + 2) / n
    half = 1.96 * math.sqrt(max(square - mean**2, 0.0) / n)
    return Drop(100 * float(differences.mean()), 100 * (mean - half), 100 * (mean + half))
