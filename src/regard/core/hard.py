"""The bases of sampling modules: mechanisms at the head, mechanisms inside blocks, and networks around them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from regard.core.draws import Draws
from regard.core.features import Features, Start
from regard.core.mechanism import Mechanism
from regard.core.options import at_least
from regard.core.returns import Answer, Sample
from regard.core.shapes import expect_features


class Hard(Mechanism):
    """A mechanism that samples where to look in x (b, c, ...) in training, and is greedy in evaluation.

    It is the head of a network, because log-probabilities never pass through a tap. Inside blocks,
    straight-through forms return features: see `HardFeatures`.

    Args:
        channels: the number of channels c of x.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = at_least(self.facts.name, "channels", channels, 1)

    @abstractmethod
    def forward(self, x: Tensor, draws: Draws | None = None) -> Sample | Answer:
        """The sample: drawn with `draws`, or greedy without."""

    def example_inputs(self, channels: int = 16, size: tuple[int, ...] = (8, 8), batch: int = 2) -> tuple[Tensor, ...]:
        """Random inputs of `forward`: features (batch, channels, *size)."""
        return (torch.randn(batch, channels, *size),)

    def expect(self, x: Tensor, dims: tuple[int, ...] | None = None) -> None:
        """Raises a `ShapeError` unless x is floating point (b, c, ...) with the module's channels and axes."""
        expect_features(self.facts.name, x, self.channels, dims or self.facts.dims)


OnFeatures = Features | Hard
"""A mechanism that takes features x (b, c, ...)."""


@dataclass(frozen=True, eq=False)
class Chance:
    """The random numbers of one pass of a network, with the samples of its mechanisms.

    Attributes:
        draws: of the images of the pass.
        prices: scalars with their graphs, added to the loss.
    """

    draws: Draws
    prices: list[Tensor] = field(default_factory=list)


class HardFeatures(Features):
    """A mechanism inside blocks that samples while it learns, by a straight-through form, and returns features.

    A block calls it with features alone; `drawing` gives the chance of a pass to all of a network's.

    Attributes:
        chance: of the pass inside `drawing`; without it the likeliest choice is taken.
    """

    chance: Chance | None

    def __init__(self, channels: int, *, start: Start = "paper") -> None:
        super().__init__(channels, start=start)
        self.chance = None

    def __getstate__(self) -> dict[str, object]:
        """Draws belong to a pass: a copy or a pickle has none."""
        return self.__dict__ | {"chance": None}


@contextmanager
def drawing(net: nn.Module, draws: Draws) -> Iterator[list[Tensor]]:
    """Inside, each `HardFeatures` of the network samples by `draws`, each by its own path.

    Args:
        net: any network.
        draws: of the images of the pass.

    Returns:
        A list that a pass fills with scalars to be added to the loss; empty where nothing in the network has a budget.

    Example:
        >>> with drawing(nn.Linear(2, 2), Draws(0, torch.arange(3))) as prices:
        ...     len(prices)
        0
    """
    prices: list[Tensor] = []
    found = [(path, module) for path, module in net.named_modules() if isinstance(module, HardFeatures)]
    before = [module.chance for _, module in found]
    try:
        for path, module in found:
            module.chance = Chance(draws.of(path.removeprefix("_orig_mod.")), prices)
        yield prices
    finally:
        for (_, module), chance in zip(found, before, strict=True):
            module.chance = chance


class Looker(nn.Module, ABC):
    """A network that samples where to look in training and chooses greedily in evaluation."""

    @abstractmethod
    def forward(self, images: Tensor, draws: Draws | None = None, rollouts: int = 1) -> Answer:
        """The answer for images (b, c, h, w).

        Args:
            images: as the network takes them.
            draws: chance for each image; greedily without.
            rollouts: so often each image is looked at, each time with other chance; the answers of one image follow one
                another, so that there are b * rollouts of them.
        """

    @abstractmethod
    def rewarded(self, reward: Tensor) -> None:
        """Receives the rewards (n,) of a training step, for networks that estimate their mean."""
