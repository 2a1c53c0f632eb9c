"""The record of where a decoder looked, step by step, and the random numbers by which it chose."""

from dataclasses import dataclass, field

from torch import Tensor

from regard.core.draws import Draws
from regard.core.returns import Sample


@dataclass(eq=False)
class LookRecord:
    """The looks of a decoder in one pass over known answers, for the loss.

    Attributes:
        draws: of the examples of the pass; None where every choice is the likeliest.
        steps: number of looks so far.
        weights: (b, k) of each look, with its graph; empty where the mechanism returns no weights.
        samples: the choice of each look; empty where the mechanism chooses nothing.
    """

    draws: Draws | None = None
    steps: int = 0
    weights: list[Tensor] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def next_draws(self) -> Draws | None:
        """The draws of the look that comes next."""
        return None if self.draws is None else self.draws.at(step=self.steps)
