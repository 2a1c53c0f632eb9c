"""Attention with coverage, which knows how much it looked at each key so far."""

import torch
from torch import Tensor

from regard.attention.asking import ask, expect_state, memorise
from regard.attention.layers import Linear
from regard.core import Attended, Facts, Input, Memory, Paper, Tap, Temporal, widen
from regard.core.options import at_least
from regard.kernels import score_pairs


class Coverage(Temporal):
    """Adds up what the keys of a sequence hold, each weighted by how it answers and how much it was looked at.

    context = sum over j of a_j v_j, a = softmax over j of e
    e_j = v' tanh(W h_j + U s + w c_j + b), c = sum of a over the steps before

    See, Liu, Manning: Get To The Point: Summarization with Pointer-Generator Networks, ACL 2017, equations 10 to 12.
    s is the query, h_j the keys. The state is c, zero at first. `penalty` is the coverage loss, which keeps a decoder
    from looking twice. Several queries are steps, one after another.

    Args:
        query_size: the size of s.
        key_size: the size of h_j.
        hidden_size: rows of W and U; None means `query_size`.

    Shape:
        query (b, q, dq) or (b, dq), keys (b, k, dk), values (b, k, dv), mask (b, k) or (b, q, k) of bool; context
        (b, q, dv) or (b, dv), weights (b, q, k) or (b, k), state (b, k). The map is (b, 1, k), one for each step.

    Raises:
        OptionError: an option out of its range.
        ShapeError: queries, keys, values, a mask or a state that do not fit.

    Example:
        >>> attention, query, keys = Coverage(32, 64), torch.randn(2, 3, 32), torch.randn(2, 9, 64)
        >>> _, weights, state = attention(query, keys)
        >>> torch.allclose(state, weights.sum(1)), attention.penalty(weights).shape
        (True, torch.Size([2, 3]))
    """

    facts = Facts(
        name="coverage",
        family="temporal",
        act="aggregate",
        paper=Paper(
            title="Get To The Point: Summarization with Pointer-Generator Networks",
            authors="Abigail See and Peter J. Liu and Christopher D. Manning",
            year=2017,
            venue="ACL",
            identifier="arXiv:1704.04368",
        ),
        authors_code="https://github.com/abisee/pointer-generator",
        departures=(
            "The softmax leaves padding out; the authors' code takes it over all and divides again.",
            "The pointer, which copies words, belongs to a decoder and is not here.",
        ),
        dims=(1,),
        at="decoder",
        returns="context",
        inputs=(Input(name="state", shape="(b, k)", optional=True),),
        parameters=(
            "h*query_size + h + h*key_size + h + h where h = query_size if hidden_size is None else hidden_size"
        ),
    )

    def __init__(self, query_size: int, key_size: int, *, hidden_size: int | None = None) -> None:
        super().__init__(query_size, key_size)
        hidden = query_size if hidden_size is None else at_least("coverage", "hidden_size", hidden_size, 1)
        self.key = Linear(key_size, hidden, bias=False)
        self.query = Linear(query_size, hidden)
        self.covered = Linear(1, hidden, bias=False)
        self.score = Linear(hidden, 1, bias=False)
        self.alignment = Tap("alignment", shares="source")

    def remember(self, keys: Tensor, values: Tensor | None = None, mask: Tensor | None = None) -> Memory:
        """W h_j of every key, and the values."""
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
        """Attends to the keys by the query; the state is the coverage."""
        asked = ask(self, query, keys, values, mask)
        covered = asked.begin("zero") if state is None else expect_state("coverage", state, asked.keys)
        queries, weights, contexts = self.query(asked.query), [], []
        for step, one in enumerate(asked.steps()):
            covered = one.clear(covered)
            hidden = one.keys + self.covered(covered.unsqueeze(-1))
            logits = score_pairs(queries[:, step : step + 1], hidden, self.score.weight[0])
            weights.append(self.alignment(one.share(logits)))
            contexts.append(one.gather(weights[-1]))
            covered = covered + weights[-1].squeeze(1)
        return asked.answer(torch.cat(contexts, 1), torch.cat(weights, 1) if need_weights else None, covered)

    @staticmethod
    def penalty(weights: Tensor, state: Tensor | None = None) -> Tensor:
        """The coverage loss of each step, equation 12: the weight that goes to what was covered before.

        Args:
            weights: (b, q, k), or (b, k) of a single step.
            state: (b, k), as it was given to the step; None as at the first step.

        Returns:
            (b, q), or (b,).
        """
        steps = widen(weights if weights.ndim == 3 else weights.unsqueeze(1))
        before = steps.cumsum(1) - steps
        before = before if state is None else before + state.unsqueeze(1)
        loss = torch.minimum(steps, before).sum(-1)
        return loss if weights.ndim == 3 else loss.squeeze(1)
