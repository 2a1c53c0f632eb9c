"""Random numbers of hard attention as functions of a key: the same however a batch is split, and after a resume."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from regard.core.errors import OptionError
from regard.core.options import at_least, one_of
from regard.core.seeding import key

_WORD = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_INCREMENTS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_STEPS = 1 << 16
"""Rollouts and steps share one word of the counter."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Noise for each image of a batch, a function of (seed, index, epoch, rollout, step) and of nothing else.

    They have no state: the same draws give the same numbers every time. Another step or another mechanism of the
    network takes its own by `at(step=...)` or `of(path)`. The bits are the same on every device: they
    come from Philox-4x32-10 of Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011.

    Attributes:
        seed: from 0 to below 2**63, such as `seeding.key` gives.
        indices: (b,) int64, each image's number in its split, from 0 to below 2**32.
        epoch: from 0.
        rollout: which of several rollouts of one image, below 65,536.
        step: which glimpse or word of a rollout, below 65,536.

    Example:
        >>> draws = Draws(seed=7, indices=torch.tensor([3, 8]))
        >>> draws.uniform(4).shape
        torch.Size([2, 4])
        >>> torch.equal(draws.uniform(4)[1:], Draws(seed=7, indices=torch.tensor([8])).uniform(4))
        True
        >>> torch.equal(draws.uniform(4), draws.at(step=1).uniform(4))
        False
    """

    seed: int
    indices: Tensor
    epoch: int = 0
    rollout: int = 0
    step: int = 0

    def __post_init__(self) -> None:
        for name, value in {"seed": self.seed, "epoch": self.epoch, "rollout": self.rollout, "step": self.step}.items():
            at_least("Draws", name, value, 0)
        if self.seed >= 1 << 63 or self.rollout >= _STEPS or self.step >= _STEPS:
            raise OptionError(
                f"Draws: seed={self.seed}, rollout={self.rollout}, step={self.step} is not allowed; a seed is below "
                f"2**63, a rollout and a step below {_STEPS:,}."
            )
        if self.indices.ndim != 1 or self.indices.dtype != torch.int64:
            raise OptionError(
                f"Draws: indices of shape {tuple(self.indices.shape)} and dtype {self.indices.dtype} are not allowed; "
                "they must be (b,) int64, the number of each image in its split."
            )

    def at(self, *, epoch: int | None = None, rollout: int | None = None, step: int | None = None) -> "Draws":
        """The draws of the same images at another epoch, rollout or step."""
        given = {"epoch": epoch, "rollout": rollout, "step": step}
        return replace(self, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]

    def of(self, name: str) -> "Draws":
        """The draws of one of several that draw at the same step, such as a mechanism by its path in the network."""
        return replace(self, seed=key(self.seed, name))

    def uniform(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """(b, *shape) uniform numbers in (0, 1), both ends excluded, in float32 or float64."""
        one_of("Draws", "dtype", dtype, (torch.float32, torch.float64))
        count = math.prod(shape)
        if dtype == torch.float32:
            # 23 bits and a half: with 24 the largest would round to 1.
            numbers = ((self._words(count) >> 9).to(dtype) + 0.5) * 2.0**-23
        else:
            high, low = self._words(2 * count).unflatten(1, (count, 2)).unbind(2)
            numbers = ((((high >> 6) << 26) | (low >> 6)).to(dtype) + 0.5) * 2.0**-52
        return numbers.reshape(-1, *shape)

    def normal(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """(b, *shape) standard normal numbers."""
        return torch.special.ndtri(self.uniform(*shape, dtype=dtype))

    def gumbel(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """(b, *shape) numbers of the standard Gumbel distribution: the argmax of logits plus these is a sample."""
        return -torch.log(-torch.log(self.uniform(*shape, dtype=dtype)))

    def logistic(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """(b, *shape) numbers of the standard logistic distribution, the differences of two Gumbel numbers."""
        uniform = self.uniform(*shape, dtype=dtype)
        return torch.log(uniform) - torch.log1p(-uniform)

    def _words(self, count: int) -> Tensor:
        """(b, count) words of 32 bits, in int64."""
        blocks = -(-count // 4)
        numbers = torch.arange(blocks, device=self.indices.device)
        index = (self.indices & _WORD)[:, None].expand(-1, blocks)
        counter = (
            numbers.expand(self.indices.shape[0], -1),
            index,
            torch.full_like(index, self.epoch & _WORD),
            torch.full_like(index, self.rollout * _STEPS + self.step),
        )
        words = philox(counter, (self.seed & _WORD, self.seed >> 32))
        return torch.stack(words, 2).flatten(1)[:, :count]


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[int, int]) -> tuple[Tensor, ...]:
    """Four words of 32 bits for each counter of four words, by ten rounds of Philox-4x32.

    >>> zero = torch.zeros(1, dtype=torch.int64)
    >>> [f"{word.item():08x}" for word in philox((zero, zero, zero, zero), (0, 0))]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    first, second, third, fourth = counter
    for number in range(_ROUNDS):
        one, two = ((word + number * step) & _WORD for word, step in zip(key, _INCREMENTS, strict=True))
        high, low = _product(first, _MULTIPLIERS[0])
        other_high, other_low = _product(third, _MULTIPLIERS[1])
        first, second, third, fourth = other_high ^ second ^ one, other_low, high ^ fourth ^ two, low
    return first, second, third, fourth


def _product(word: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """The high and the low word of a product of words, by parts of 16 bits, so that nothing leaves int64."""
    low = (word & 0xFFFF) * factor
    high = (word >> 16) * factor + (low >> 16)
    return high >> 16, ((high & 0xFFFF) << 16) | (low & 0xFFFF)
