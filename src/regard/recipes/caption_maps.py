"""The maps of a decoder over the positions of an image, one for each symbol that it wrote."""

from torch import Tensor

from regard.core.kinds import Axis
from regard.core.records import Maps


def step_maps(maps: Maps, steps: int) -> dict[str, Tensor]:
    """Returns the weights (b, t, k) of k positions at each of t symbols, by the path of their tap.

    Maps without an axis of positions, such as the channel weights of `sca_cnn`, and those of the backbone, which looks
    once for all symbols, are left out.

    Args:
        maps: of one pass over known answers.
        steps: t.
    """
    found: dict[str, Tensor] = {}
    for path in maps:
        kind, first = maps[path][0].kind, maps[path][0].values
        if kind.sequential:
            weights = maps.steps(path)
            found |= {path: weights} if weights.shape[1] == steps else {}
        elif Axis.POSITION in kind.axes and len(maps[path]) == steps and first.ndim == 3 and first.shape[1] == 1:
            found[path] = maps.steps(path).flatten(2)
    return found
