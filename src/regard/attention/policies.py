"""Policies: distributions over positions in an image, to sample from in training; greedy without noise.

Positions are (b, 2), x before y, from -1 to 1 over the image, as in a map of the kind `glimpse`. The log-probability is
that of the position as drawn, before it is clamped to the image: a clamped one has no density.
"""

import math
from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from regard.core.draws import Draws
from regard.core.errors import OptionError
from regard.core.options import at_least, one_of, positive
from regard.core.precision import widen
from regard.core.returns import Sample

Spread = Literal["fixed", "scheduled", "learned"]


class GaussianPolicy(nn.Module):
    """A Gaussian around a mean, with one standard deviation for both coordinates.

    Args:
        std: the standard deviation; the initial one where it changes.
        spread: `fixed`; `scheduled`, from `std` to `last` along half a cosine over `epochs`; or `learned`, a parameter.
        last: the standard deviation at the end of the schedule.
        epochs: how many the schedule takes.

    Raises:
        OptionError: an option out of its range.

    Example:
        >>> policy = GaussianPolicy(0.1)
        >>> policy(torch.zeros(3, 2)).value.tolist()
        [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
        >>> draws = Draws(0, torch.arange(3))
        >>> policy(torch.zeros(3, 2), policy.noise(draws, 4)[0], draws.epoch).log_prob.shape
        torch.Size([3])
    """

    log_std: nn.Parameter | None
    inputs = 2
    """Parameters of the distribution of one position."""

    def __init__(self, std: float = 0.1, *, spread: Spread = "fixed", last: float = 0.06, epochs: int = 100) -> None:
        super().__init__()
        one_of("policy", "spread", spread, get_args(Spread))
        self.std, self.spread = positive("policy", "std", std), spread
        self.last, self.epochs = positive("policy", "last", last), at_least("policy", "epochs", epochs, 1)
        self.register_parameter("log_std", nn.Parameter(torch.empty(())) if spread == "learned" else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The logarithm of `std`, where it is learned."""
        if self.log_std is not None:
            nn.init.constant_(self.log_std, math.log(self.std))

    def noise(self, draws: Draws, steps: int, rollouts: int = 1) -> Tensor:
        """(steps, b * rollouts, 2) for all choices of a pass at once; the rollouts of one image follow one another."""
        return roll_out(draws, rollouts, lambda one: one.normal(steps, self.inputs))

    def std_at(self, epoch: int) -> float | Tensor:
        """The standard deviation in an epoch, counted from 0."""
        if self.log_std is not None:
            return self.log_std.exp()
        if self.spread == "fixed":
            return self.std
        done = min(1.0, epoch / self.epochs)
        return self.last + (self.std - self.last) * (1 + math.cos(math.pi * done)) / 2

    def forward(self, mean: Tensor, noise: Tensor | None = None, epoch: int = 0) -> Sample:
        """Samples a position around `mean` (b, 2) by `noise`; without noise, returns the mean.

        Args:
            mean: of the distribution of each image; clamped to the image where it lies outside.
            noise: (b, 2), of `noise`.
            epoch: for the schedule.
        """
        mean = widen(mean)
        if noise is None:
            return Sample(mean.clamp(-1, 1), None, None)
        std = self.std_at(epoch)
        # A number stays one: made a tensor, it would be copied to the device in every step.
        log_std = std.log() if isinstance(std, Tensor) else math.log(std)
        drawn = (mean + std * noise.to(mean.dtype)).detach()
        log_prob = -((drawn - mean) / std).square().sum(1) / 2 - self.inputs * (log_std + math.log(2 * math.pi) / 2)
        entropy = mean.new_zeros(mean.shape[0]) + self.inputs * (log_std + (1 + math.log(2 * math.pi)) / 2)
        score = ((drawn - mean) / std**2).detach()
        return Sample(drawn.clamp(-1, 1), log_prob, entropy, score)


class GridPolicy(nn.Module):
    """A categorical distribution over the centres of the cells of a grid over the image.

    Args:
        cells: rows and columns of the grid.

    Raises:
        OptionError: a grid without cells.

    Example:
        >>> policy = GridPolicy((2, 2))
        >>> policy(torch.tensor([[0.0, 3.0, 1.0, 0.0]])).value.tolist()
        [[0.5, -0.5]]
    """

    centres: Tensor

    def __init__(self, cells: tuple[int, int] = (7, 7)) -> None:
        super().__init__()
        if not isinstance(cells, tuple) or len(cells) != 2:
            raise OptionError(f"policy: cells={cells!r} is not allowed; it must be (rows, columns), as (7, 7).")
        rows, columns = (at_least("policy", "cells", n, 1) for n in cells)
        self.inputs = rows * columns
        down, right = ((2 * torch.arange(n) + 1) / n - 1 for n in (rows, columns))
        centres = torch.stack((right.repeat(rows), down.repeat_interleave(columns)), 1)
        self.register_buffer("centres", centres, persistent=False)

    def noise(self, draws: Draws, steps: int, rollouts: int = 1) -> Tensor:
        """(steps, b * rollouts, cells) for all choices of a pass at once."""
        return roll_out(draws, rollouts, lambda one: one.gumbel(steps, self.inputs))

    def forward(self, logits: Tensor, noise: Tensor | None = None, epoch: int = 0) -> Sample:
        """Samples the centre of a cell from logits (b, cells) by `noise`; without noise, the likeliest."""
        log_probs = widen(logits).log_softmax(1)
        chosen = (log_probs if noise is None else log_probs + noise.to(log_probs.dtype)).argmax(1)
        # The argmax of NaN is some cell: without the sum it would be chosen in silence.
        position = self.centres.to(log_probs.dtype)[chosen] + 0 * log_probs.detach().sum(1, keepdim=True)
        if noise is None:
            return Sample(position, None, None)
        log_prob = log_probs.gather(1, chosen[:, None]).squeeze(1)
        p = log_probs.exp()
        score = (one_hot(chosen, self.inputs) - p).detach()
        return Sample(position, log_prob, -(p * log_probs).sum(1), score)


Policy = GaussianPolicy | GridPolicy


def roll_out(draws: Draws, rollouts: int, draw: Callable[[Draws], Tensor]) -> Tensor:
    """(steps, b * rollouts, ...): the result (b, steps, ...) of `draw` for each rollout of each image."""
    each = torch.stack([draw(one) for one in rollout_draws(draws, rollouts)], 1)
    return each.flatten(0, 1).transpose(0, 1)


def rollout_draws(draws: Draws, rollouts: int) -> tuple[Draws, ...]:
    """The draws of so many rollouts, the given one first."""
    return tuple(draws.at(rollout=draws.rollout + rollout) for rollout in range(rollouts))
