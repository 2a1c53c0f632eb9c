"""Stochastic attention over positions."""

from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor, tanh

from regard.attention.layers import Linear, softmax
from regard.core.draws import Draws
from regard.core.errors import OptionError, ShapeError
from regard.core.facts import Facts, Input, Paper
from regard.core.hard import Hard
from regard.core.options import at_least, positive
from regard.core.precision import widen
from regard.core.returns import Sample
from regard.core.tap import Tap

Form = Literal["reinforce", "gumbel", "soft"]
Rule = Literal["greedy", "expectation"]


def _state(size: int, channels: int, positions: tuple[int, ...], batch: int) -> Tensor:
    """A random state."""
    return torch.randn(batch, size)


class HardSpatial(Hard):
    """Selects one position of a feature map, or a few, sampled in training.

    p = softmax over positions of w tanh(V x + v + U h); y = the mean of x at n positions drawn from p
    soft: y = sum over positions of p x, which is deterministic

    Xu et al.: Show, Attend and Tell: Neural Image Caption Generation with Visual Attention, ICML 2015, section 4.1
    (stochastic "hard" attention; equations 8 to 13). It stands before a classifier instead of the pooling, or with
    `state_size` in a decoder, whose state h steers it at every step; without there is no U h. With
    `reinforce` the choice has a log-probability and is trained by a policy gradient; with `gumbel` it is relaxed: the
    choice goes forward, the gradient of softmax((log p + Gumbel noise) / t) goes back (straight-through).

    Args:
        channels: c.
        hidden: outputs of V.
        form: `reinforce`, `gumbel`, or the `soft` twin.
        positions: n, drawn independently; without draws, the n likeliest.
        semi: the share of images that take the expectation instead of a sample while training with `reinforce`.
        temperature: t.
        evaluation: without draws, the likeliest positions (`greedy`) or the `expectation`.
        state_size: the size of h, or None for the form without.

    Shape:
        x (b, c, ...) with 1 to 3 position axes. A state is (b, state_size). The sample's value is (b, c).
        The map is (b, 1, ...).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes; a state of another shape, missing or not expected.

    Example:
        >>> HardSpatial(64)(torch.randn(2, 64, 7, 5)).value.shape
        torch.Size([2, 64])
        >>> HardSpatial(64)(torch.randn(2, 64, 7, 5), Draws(0, torch.arange(2))).log_prob.shape
        torch.Size([2])
    """

    facts: ClassVar[Facts] = Facts(
        name="hard_spatial",
        family="spatial",
        kind="hard",
        act="select",
        paper=Paper(
            title="Show, Attend and Tell: Neural Image Caption Generation with Visual Attention",
            authors=(
                "Kelvin Xu and Jimmy Ba and Ryan Kiros and Kyunghyun Cho and Aaron Courville and Ruslan Salakhutdinov"
                " and Richard Zemel and Yoshua Bengio"
            ),
            year=2015,
            venue="ICML",
            identifier="arXiv:1502.03044",
        ),
        authors_code="https://github.com/kelvinxu/arctic-captions",
        departures=(
            "Without state_size the scores see the features alone; the paper's always see the state of the decoder.",
            "Semi-sampling is decided for each image; the authors decide it for a whole batch.",
            "There may be several positions, and a relaxed form.",
        ),
        at="head",
        returns="sample",
        inputs=(Input(name="state", shape="(b, state_size)", optional=True),),
        parameters="c*hidden + 2*hidden + hidden*(state_size or 0)",
    )

    def __init__(
        self,
        channels: int,
        *,
        hidden: int = 64,
        form: Form = "reinforce",
        positions: int = 1,
        semi: float = 0.0,
        temperature: float = 1.0,
        evaluation: Rule = "greedy",
        state_size: int | None = None,
    ) -> None:
        super().__init__(channels)
        if isinstance(semi, bool) or not isinstance(semi, int | float) or not 0 <= semi < 1:
            raise OptionError(f"hard_spatial: semi={semi!r} is not allowed; it must be a share from 0 to below 1.")
        self.form, self.evaluation, self.semi = form, evaluation, semi
        self.positions = at_least("hard_spatial", "positions", positions, 1)
        self.temperature = positive("hard_spatial", "temperature", temperature)
        self.look = Linear(channels, at_least("hard_spatial", "hidden", hidden, 1))
        self.state_size = None if state_size is None else at_least("hard_spatial", "state_size", state_size, 1)
        if state_size is not None:
            self.amend(inputs=(Input(name="state", shape=f"(b, {state_size})", example=partial(_state, state_size)),))
        self.steer = None if state_size is None else Linear(state_size, hidden, bias=False)
        self.score = Linear(hidden, 1, bias=False)
        self.map = Tap("spatial", shares="position")

    def forward(self, x: Tensor, draws: Draws | None = None, state: Tensor | None = None) -> Sample:
        """The features at the positions that it chooses; the map is not differentiable with `reinforce`."""
        self.expect(x)
        self._expect_state(x, state)
        tokens = x.flatten(2).transpose(1, 2)
        hidden = self.look.logits(tokens)
        if state is not None and self.steer is not None:
            hidden = hidden + self.steer.logits(state).unsqueeze(1)
        log_p = self.score.logits(tanh(hidden)).squeeze(2).log_softmax(1)
        weights, log_prob = self._choose(log_p, draws)
        attn = self.map(weights.reshape(x.shape[0], 1, *x.shape[2:]))
        value = (attn.flatten(2) @ widen(tokens)).squeeze(1).to(x.dtype)
        # The argmax of NaN is some position: without this it would be chosen in silence.
        value = value + (0 * log_p.detach().sum(1, keepdim=True)).to(value.dtype)
        p = log_p.exp()
        score = None if log_prob is None else self.positions * (weights - p).detach()
        return Sample(value, log_prob, -(p * log_p).sum(1), score)

    def _choose(self, log_p: Tensor, draws: Draws | None) -> tuple[Tensor, Tensor | None]:
        """The share (b, n) of each position, and the log-probability of the choice where it has one."""
        count = log_p.shape[1]
        if self.form == "soft" or (draws is None and self.evaluation == "expectation"):
            return log_p.exp(), None
        if draws is None:
            likeliest = log_p.topk(min(self.positions, count), 1).indices
            return _shares(likeliest, log_p), None
        noisy = log_p.unsqueeze(1) + draws.gumbel(self.positions, count).to(log_p.dtype)
        chosen = noisy.argmax(2)
        drawn = _shares(chosen, log_p)
        if self.form == "gumbel":
            relaxed = softmax(noisy / self.temperature, 2).mean(1)
            return drawn + (relaxed - relaxed.detach()), None
        log_prob = log_p.gather(1, chosen).sum(1)
        if not self.semi:
            return drawn, log_prob
        expected = draws.of("semi").uniform(1).to(log_p.dtype) < self.semi
        return torch.where(expected, log_p.exp(), drawn), torch.where(expected.squeeze(1), 0 * log_prob, log_prob)

    def _expect_state(self, x: Tensor, state: Tensor | None) -> None:
        wanted = None if self.state_size is None else (x.shape[0], self.state_size)
        given = None if state is None else tuple(state.shape)
        if given != wanted or (state is not None and not state.is_floating_point()):
            raise ShapeError(
                f"hard_spatial: the state has shape {given}; with state_size={self.state_size} it must be "
                f"{'left out' if wanted is None else f'floating point {wanted}'}."
            )


def _shares(chosen: Tensor, log_p: Tensor) -> Tensor:
    """The share (b, n) of each position among the chosen ones (b, k); an export keeps the number of positions open."""
    every = torch.arange(log_p.shape[1], device=log_p.device)
    return (chosen.unsqueeze(2) == every).to(log_p.dtype).mean(1)
