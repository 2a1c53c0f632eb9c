"""Monotonic attention, which never looks back."""

import torch
from torch import Tensor, nn

from regard.attention.asking import Asked, ask, expect_state, memorise
from regard.attention.layers import Linear, sigmoid
from regard.core import Attended, Facts, Input, Memory, Paper, Tap, Temporal
from regard.core.errors import OptionError
from regard.core.options import at_least, not_negative
from regard.kernels import score_pairs


class Monotonic(Temporal):
    """Goes along the keys of a sequence from where it stood, and stops at one that answers the query.

    e_j = g w' tanh(W s + V h_j + b) / |w| + r, p_j = sigmoid(e_j + noise)
    a_j = p_j q_j, q_j = (1 - p_(j - 1)) q_(j - 1) + (the last a)_j, the probability to come to j

    Raffel, Luong, Liu, Weiss, Eck: Online and Linear-Time Attention by Enforcing Monotonic Alignments, ICML 2017,
    section 2. s is the query, h_j the keys. In training the context is the expected one, sum over j of a_j v_j; in
    evaluation it is the value of the first key, from where the last step stopped, with p_j > 1/2, and from then on zero
    where there is none. The state is a, before the first step all on the first key. The recursion over keys is computed
    by doubling, exactly and without a quotient of products that underflow. Several queries are steps, one after
    another.

    Args:
        query_size: the size of s.
        key_size: the size of h_j.
        hidden_size: rows of W and V; None means `query_size`.
        noise: standard deviation of the noise that is added in training, so that probabilities become 0 or 1.
        offset: r at first; below zero, so that weights at first reach far.
        hard: whether evaluation is hard; False keeps the expected context.

    Shape:
        query (b, q, dq) or (b, dq), keys (b, k, dk), values (b, k, dv), mask (b, k) or (b, q, k) of bool; context
        (b, q, dv) or (b, dv), weights (b, q, k) or (b, k), state (b, k). The map is (b, 1, k), one for each step.

    Raises:
        OptionError: an option out of its range.
        ShapeError: queries, keys, values, a mask or a state that do not fit.

    Example:
        >>> attention = Monotonic(32, 64).eval()
        >>> _, weights, _ = attention(torch.randn(2, 3, 32), torch.randn(2, 9, 64))
        >>> bool(((weights == 0) | (weights == 1)).all())
        True
    """

    facts = Facts(
        name="monotonic",
        family="temporal",
        act="aggregate",
        paper=Paper(
            title="Online and Linear-Time Attention by Enforcing Monotonic Alignments",
            authors="Colin Raffel and Minh-Thang Luong and Peter J. Liu and Ron J. Weiss and Douglas Eck",
            year=2017,
            venue="ICML",
            identifier="arXiv:1704.00784",
        ),
        authors_code="https://github.com/craffel/mad",
        departures=(
            "The expected weights come from the recursion itself; the paper's form by cumulative sums and products "
            "divides by what underflows, and the authors' code clips it.",
            "r begins at -1; the paper chooses it for each task.",
        ),
        dims=(1,),
        at="decoder",
        returns="context",
        inputs=(Input(name="state", shape="(b, k)", optional=True),),
        parameters=(
            "h*query_size + h + h*key_size + h + 2 where h = query_size if hidden_size is None else hidden_size"
        ),
    )

    def __init__(
        self,
        query_size: int,
        key_size: int,
        *,
        hidden_size: int | None = None,
        noise: float = 1.0,
        offset: float = -1.0,
        hard: bool = True,
    ) -> None:
        super().__init__(query_size, key_size)
        hidden = query_size if hidden_size is None else at_least("monotonic", "hidden_size", hidden_size, 1)
        self.noise, self.hard = not_negative("monotonic", "noise", noise), hard
        if isinstance(offset, bool) or not isinstance(offset, int | float) or not abs(offset) < float("inf"):
            raise OptionError(f"monotonic: offset={offset!r} is not allowed; it must be a finite number.")
        self.start = float(offset)
        self.query = Linear(query_size, hidden)
        self.key = Linear(key_size, hidden, bias=False)
        self.score = Linear(hidden, 1, bias=False)
        self.gain = nn.Parameter(torch.empty(()))
        self.offset = nn.Parameter(torch.empty(()))
        self.alignment = Tap("alignment", neutral="source")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """g is 1 / sqrt(hidden) as published, r what the option says; layers as PyTorch does."""
        nn.init.constant_(self.gain, self.score.in_features**-0.5)
        nn.init.constant_(self.offset, self.start)

    def remember(self, keys: Tensor, values: Tensor | None = None, mask: Tensor | None = None) -> Memory:
        """V h_j of every key, and the values."""
        return memorise(self, keys, values, mask, self.key)

    def forward(
        self,
        query: Tensor,
        keys: Tensor | Memory,
        values: Tensor | None = None,
        *,
        mask: Tensor | None = None,
        state: Tensor | None = None,
        need_weights: bool = True,
    ) -> Attended:
        """Attends to the keys by the query; the state is where it stopped."""
        asked = ask(self, query, keys, values, mask)
        stood = asked.begin("first") if state is None else expect_state("monotonic", state, asked.keys)
        energies, weights = self._energies(asked), []
        for step, one in enumerate(asked.steps()):
            stood = one.clear(stood)
            energy = energies[:, step]
            hard = self.hard and not self.training
            stopped = _stop(energy, stood, one.allowed) if hard else _expect(energy, stood, one.allowed)
            weights.append(self.alignment(one.mark(stopped.unsqueeze(1))))
            stood = weights[-1].squeeze(1)
        together = torch.cat(weights, 1)
        return asked.answer(asked.gather(together), together if need_weights else None, stood)

    def _energies(self, asked: Asked) -> Tensor:
        weight = self.score.weight[0]
        direction = self.gain * weight / torch.linalg.vector_norm(weight).clamp_min(torch.finfo(weight.dtype).tiny)
        energies = score_pairs(self.query(asked.query), asked.keys, direction) + self.offset
        return energies + self.noise * torch.randn_like(energies) if self.training and self.noise else energies


def _expect(energy: Tensor, stood: Tensor, allowed: Tensor | None) -> Tensor:
    """(b, k): the probabilities to stop at each key, by those of where the last step stopped."""
    stop = sigmoid(energy)
    stop = stop if allowed is None else torch.where(allowed[:, 0], stop, 0)
    passing = torch.cat([torch.zeros_like(stop[:, :1]), 1 - stop[:, :-1]], 1)
    return stop * accumulate(passing, stood.to(stop.dtype))


def _stop(energy: Tensor, stood: Tensor, allowed: Tensor | None) -> Tensor:
    """(b, k): 1 at the first key from where the last step stopped whose probability is over 1/2; 0 everywhere else."""
    good = (energy > 0) & (stood.cumsum(-1) > 0.5)
    good = good if allowed is None else good & allowed[:, 0]
    return (good & (good.cumsum(-1) == 1)).to(stood.dtype)


def accumulate(factors: Tensor, terms: Tensor) -> Tensor:
    """y of the recursion y_j = factors_j y_(j - 1) + terms_j along the last axis, in log2 of its size steps.

    >>> accumulate(torch.tensor([[0.0, 0.5, 0.5]]), torch.tensor([[4.0, 0.0, 1.0]])).tolist()
    [[4.0, 2.0, 2.0]]
    """
    far = 1
    while far < terms.shape[-1]:
        terms = torch.cat([terms[..., :far], terms[..., far:] + factors[..., far:] * terms[..., :-far]], -1)
        factors = torch.cat([factors[..., :far], factors[..., far:] * factors[..., :-far]], -1)
        far *= 2
    return terms
