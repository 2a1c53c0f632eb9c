"""The base of mechanisms that sample: x in, a sample or an answer out."""

from abc import abstractmethod

from torch import Tensor

from regard.core.draws import Draws
from regard.core.mechanism import Mechanism
from regard.core.options import at_least
from regard.core.returns import Answer, Sample
from regard.core.shapes import expect_features


class Hard(Mechanism):
    """A mechanism that chooses where to look in x (b, c, ...), by chance while it learns.

    It stands at the head of a network, because log-probabilities never travel through a tap. What stands inside blocks,
    straight-through forms, returns features: such a mechanism is a `Features` of the kind `hard`.

    Args:
        channels: the number of channels c of x.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = at_least(self.facts.name, "channels", channels, 1)

    @abstractmethod
    def forward(self, x: Tensor, draws: Draws | None = None) -> Sample | Answer:
        """What it chooses: by the chance of `draws`, or greedily without."""

    def expect(self, x: Tensor, dims: tuple[int, ...] | None = None) -> None:
        """Raises a `ShapeError` unless x is floating point (b, c, ...) with the module's channels and axes."""
        expect_features(self.facts.name, x, self.channels, dims or self.facts.dims)
