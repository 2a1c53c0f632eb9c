"""The comparison of two passes before either is timed: outputs and gradients."""

from collections.abc import Mapping

import torch
from torch import Tensor

OUTPUT = "the output"
"""The name under which the output is compared."""

FEATURES = "the gradient of x"
"""The beginning of the names of the inputs' gradients."""

TOLERANCE = 1e-3
"""The largest error: of the output's largest value, and of the norm of any tensor.

Rounding in float32 stays a hundred times below it. Where two values nearly tie, their maximum may change sides and move
one value's gradient, which a norm hardly sees.
"""

NEGLIGIBLE = 1e-2
"""Gradients smaller than this part of the largest parameter's are compared with that part.

The gradient of a bias before a normalisation, for example, is zero but for rounding.
"""


def disagreement(
    found: Mapping[str, Tensor], expected: Mapping[str, Tensor], tolerance: float = TOLERANCE
) -> str | None:
    """The first tensor that differs, in words; None where all agree.

    Args:
        found: the tensors of one contestant; `OUTPUT`, those that begin with `FEATURES`, and gradients of parameters.
        expected: the same of the reference.
        tolerance: the largest relative error.

    Example:
        >>> disagreement({OUTPUT: torch.ones(4)}, {OUTPUT: torch.full((4,), 1.5)})
        'the output differs by 3.3e-01 of its norm'
    """
    own = [norm(tensor) for name, tensor in expected.items() if not _is_features(name)]
    least = NEGLIGIBLE * max(own, default=0.0)
    for name, tensor in expected.items():
        if name not in found:
            return f"{name} is missing"
        if found[name].shape != tensor.shape:
            return f"{name} has shape {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
        scale = norm(tensor) if _is_features(name) else max(norm(tensor), least)
        error = norm(found[name] - tensor)
        if not error <= tolerance * scale:
            return f"{name} differs by {error / scale if scale else error:.1e} of its norm"
        if name == OUTPUT and not _largest(found[name] - tensor) <= tolerance * _largest(tensor):
            return (
                f"{name} differs by up to {_largest(found[name] - tensor):.1e} where its largest value is "
                f"{_largest(tensor):.1e}"
            )
    return None


def norm(tensor: Tensor) -> float:
    """The Euclidean norm of all values, NaN where one is not a number."""
    return torch.linalg.vector_norm(tensor).item()


def _is_features(name: str) -> bool:
    return name == OUTPUT or name.startswith(FEATURES)


def _largest(tensor: Tensor) -> float:
    return tensor.abs().max().item()
