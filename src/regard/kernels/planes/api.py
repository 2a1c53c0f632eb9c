"""The convolution of a few planes to one, which makes a map of a position's statistics."""

from torch import Tensor

from regard.core.errors import ShapeError
from regard.kernels.choice import Impl, choose
from regard.kernels.planes.impl import cpu, reference


def convolve_planes(x: Tensor, weight: Tensor, *, impl: Impl = "auto") -> Tensor:
    """Convolve planes to one, with stride 1 and zeros around.

    Args:
        x: (b, n, h, w).
        weight: (1, n, k, k), k odd.
        impl: the implementation, see `choose`.

    Returns:
        (b, 1, h, w).

    Raises:
        ShapeError: weights that do not fit x, or an even k.
        OptionError: an implementation that is not available.

    Example:
        >>> import torch
        >>> convolve_planes(torch.ones(1, 2, 1, 2), torch.ones(1, 2, 3, 3)).tolist()
        [[[[4.0, 4.0]]]]
    """
    size = weight.shape[-1]
    if x.ndim != 4 or weight.shape != (1, x.shape[1], size, size) or size % 2 == 0:
        raise ShapeError(
            f"convolve_planes: weight has shape {tuple(weight.shape)} and x {tuple(x.shape)}; they must be "
            "(1, n, k, k), k odd, and (b, n, h, w)."
        )
    if choose("convolve_planes", impl, ("cpu", "reference") if cpu.serves(x, weight) else ("reference",)) == "cpu":
        return cpu.convolve_planes(x, weight)
    return reference.convolve_planes(x, weight)
