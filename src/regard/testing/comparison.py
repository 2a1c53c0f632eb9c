"""The comparison of two tensors, with a sentence about their difference."""

import torch
from torch import Tensor

from regard.testing.outcomes import CheckFailedError


def agree(got: Tensor, want: Tensor, allowed: float, what: str, *, scale: float | None = None) -> None:
    """Fails unless `got` lies within `allowed` of `want`, relative to `scale`.

    Args:
        got: the computed values.
        want: the expected values.
        allowed: see `allowed_difference`; 0 asks for equality, bit for bit.
        what: the beginning of the sentence, for example `the exported module's output for x (2, 16, 8, 8)`.
        scale: by default the largest magnitude of `want`.
    """
    if got.shape != want.shape:
        raise CheckFailedError(f"{what} has shape {tuple(got.shape)} where it should have {tuple(want.shape)}.")
    ours, theirs = got.detach().cpu().double().flatten(), want.detach().cpu().double().flatten()
    same = (ours == theirs) | (ours.isnan() & theirs.isnan())
    if bool(same.all()):
        return
    difference = (ours - theirs).abs().where(~same, torch.zeros(()).double())
    worst = int(difference.nan_to_num(nan=torch.inf).argmax())
    limit = allowed * (largest(want) if scale is None else scale)
    if not float(difference[worst]) <= limit:
        raise CheckFailedError(
            f"{what} is {float(ours[worst]):.6g} where it should be {float(theirs[worst]):.6g}: "
            f"they may differ by {limit:.2g}."
        )


def largest(values: Tensor) -> float:
    """The largest finite magnitude, 0 where there is none.

    >>> largest(torch.tensor([1.0, -2.0, torch.inf]))
    2.0
    """
    magnitudes = values.detach().abs()[values.detach().isfinite()]
    return float(magnitudes.max()) if magnitudes.numel() else 0.0


def finite(values: Tensor, what: str) -> None:
    """Fails where a value is infinite or not a number."""
    wrong = int((~values.detach().isfinite()).sum())
    if wrong:
        raise CheckFailedError(f"{what} has {wrong} of {values.numel()} values that are infinite or not a number.")
