"""Additive attention, which aligns while it translates."""

from typing import Literal

from torch import Tensor, nn

from regard.attention.asking import ask, memorise
from regard.attention.layers import Linear
from regard.core import Attended, Facts, Memory, Paper, Tap, Temporal
from regard.core.options import at_least
from regard.kernels import score_pairs


class Additive(Temporal):
    """Adds up what the keys of a sequence hold, each weighted by how well it answers the query.

    c = sum over j of a_j v_j, a = softmax over j of e, e_j = w' tanh(W s + U h_j)

    Bahdanau, Cho, Bengio: Neural Machine Translation by Jointly Learning to Align and Translate, ICLR 2015, section
    3.1 and appendix A.1.2. s is the query (the decoder's state *before* the step, in the paper), h_j the keys, v_j the
    values, which are the keys unless others are given. `remember` computes U h_j once for all steps. Many queries at
    once are scored block by block, so that no tensor of hidden x queries x keys is ever made, in training neither.

    Args:
        query_size: the size of s.
        key_size: the size of h_j.
        hidden_size: rows of W and U; None means `query_size`.
        bias: whether W has a bias.
        start: `paper` draws W and U with a standard deviation of 0.001 and sets w to 0, so that every key gets the same
            weight at first; `random` draws all three as PyTorch draws layers.

    Shape:
        query (b, q, dq) or (b, dq), keys (b, k, dk), values (b, k, dv), mask (b, k) or (b, q, k) of bool; context
        (b, q, dv) or (b, dv), weights (b, q, k) or (b, k). The map is (b, q, k).

    Raises:
        OptionError: an option out of its range.
        ShapeError: queries, keys, values or a mask that do not fit.

    Example:
        >>> import torch
        >>> attention, keys = Additive(32, 64, hidden_size=16), torch.randn(2, 6, 64)
        >>> memory = attention.remember(keys, mask=torch.arange(6) < torch.tensor([[6], [4]]))
        >>> attention(torch.randn(2, 32), memory).weights[1].tolist()
        [0.25, 0.25, 0.25, 0.25, 0.0, 0.0]
    """

    facts = Facts(
        name="additive",
        family="temporal",
        act="aggregate",
        paper=Paper(
            title="Neural Machine Translation by Jointly Learning to Align and Translate",
            authors="Dzmitry Bahdanau and Kyunghyun Cho and Yoshua Bengio",
            year=2015,
            venue="ICLR",
            identifier="arXiv:1409.0473",
        ),
        authors_code="https://github.com/lisa-groundhog/GroundHog",
        departures=(
            "A row of which the mask allows nothing gives zeros; the paper has no masks.",
            "From the same parameters JoeyNMT 2.3, and with bias=True OpenNMT-py 3.5 and SpeechBrain 1.1, give the "
            "same weights, but NaN where nothing is allowed.",
            "Keras 3.15 gives the same weights where W and U are the identity, but attends padding where nothing is "
            "allowed.",
        ),
        dims=(1,),
        at="decoder",
        returns="context",
        parameters=(
            "h*query_size + bias*h + h*key_size + h where h = query_size if hidden_size is None else hidden_size"
        ),
    )

    def __init__(
        self,
        query_size: int,
        key_size: int,
        *,
        hidden_size: int | None = None,
        bias: bool = False,
        start: Literal["paper", "random"] = "paper",
    ) -> None:
        super().__init__(query_size, key_size)
        hidden = query_size if hidden_size is None else at_least("additive", "hidden_size", hidden_size, 1)
        self.query = Linear(query_size, hidden, bias=bias)
        self.key = Linear(key_size, hidden, bias=False)
        self.score = Linear(hidden, 1, bias=False)
        self.start = start
        self.alignment = Tap("alignment", shares="source")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The published values, unless another start was asked for; layers as PyTorch does then."""
        if self.start == "paper":
            start_uniform(self.query, self.key, self.score)

    def remember(self, keys: Tensor, values: Tensor | None = None, mask: Tensor | None = None) -> Memory:
        """U h_j of every key, and the values."""
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
        """Attends to the keys by the query; there is no state."""
        asked = ask(self, query, keys, values, mask)
        logits = score_pairs(self.query(asked.query), asked.keys, self.score.weight[0])
        weights = self.alignment(asked.share(logits))
        return asked.answer(asked.gather(weights), weights if need_weights else None)


def start_uniform(query: Linear, key: Linear, score: Linear) -> None:
    """The initial values of Bahdanau et al., appendix B.1: with `score` at 0, every key gets the same weight."""
    for layer in (query, key):
        nn.init.normal_(layer.weight, std=0.001)
    for zero in (score.weight, query.bias, key.bias):
        if zero is not None:
            nn.init.zeros_(zero)
