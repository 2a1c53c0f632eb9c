"""Location-aware attention, which knows where it looked before."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from regard.attention.asking import Asked, First, ask, expect_state, memorise
from regard.attention.layers import Conv1d, Linear
from regard.core import Attended, Facts, Input, Memory, Paper, Tap, Temporal
from regard.core.options import at_least, odd, positive
from regard.kernels import score_pairs


class LocationAware(Temporal):
    """Adds up what the keys of a sequence hold, each weighted by the query, the key and where the last step looked.

    c = sum over j of a_j v_j, a = softmax over j of sharpness e
    e_j = w' tanh(W s + V h_j + U f_j + b), f = F * (the last a)

    Chorowski, Bahdanau, Serdyuk, Cho, Bengio: Attention-Based Models for Speech Recognition, NeurIPS 2015, equations
    8 and 9. s is the query, h_j the keys; F are filters along the sequence. The state is what they see: the last
    weights, or the sum of all of them, or both (Shen et al.: Natural TTS Synthesis by Conditioning WaveNet on Mel
    Spectrogram Predictions, ICASSP 2018), without which speech may be said twice. Several queries are steps, one after
    another.

    Args:
        query_size: the size of s.
        key_size: the size of h_j.
        hidden_size: rows of W, V and U; None means `query_size`.
        filters: how many there are in F.
        kernel_size: of the filters, odd.
        history: what they see: the `last` weights, the `sum` of all, or `both`.
        first: what they see at the first step: all weight on the `first` key that the mask allows, as in the authors'
            code; `uniform` over those allowed; or `zero`.
        normaliser: `softmax`, or `sigmoid`, which smooths: sigmoid(e_j) takes the place of exp(e_j).
        sharpness: more than one makes the weights sharper.

    Shape:
        query (b, q, dq) or (b, dq), keys (b, k, dk), values (b, k, dv), mask (b, k) or (b, q, k) of bool; context
        (b, q, dv) or (b, dv), weights (b, q, k) or (b, k), state (b, k), with `both` (b, 2, k), the last before the
        sum. The map is (b, 1, k), one for each step.

    Raises:
        OptionError: an option out of its range.
        ShapeError: queries, keys, values, a mask or a state that do not fit.

    Example:
        >>> attention = LocationAware(32, 64, kernel_size=5)
        >>> memory, state = attention.remember(torch.randn(2, 9, 64)), None
        >>> for step in range(3):
        ...     context, weights, state = attention(torch.randn(2, 32), memory, state=state)
        >>> torch.equal(weights, state)
        True
    """

    facts = Facts(
        name="location_aware",
        family="temporal",
        act="aggregate",
        paper=Paper(
            title="Attention-Based Models for Speech Recognition",
            authors="Jan Chorowski and Dzmitry Bahdanau and Dmitriy Serdyuk and Kyunghyun Cho and Yoshua Bengio",
            year=2015,
            venue="NeurIPS",
            identifier="arXiv:1506.07503",
        ),
        authors_code="https://github.com/rizar/attention-lvcsr",
        departures=(
            "The filters are not flipped, as nowhere in PyTorch; the authors' are.",
            "Weights are not cut to a window around the last ones.",
            "SpeechBrain 1.1 gives the same weights with first='uniform' and the sum of its three biases; "
            "it detaches the state, which here keeps its graph, as in the paper.",
        ),
        dims=(1,),
        at="decoder",
        returns="context",
        inputs=(Input(name="state", shape="(b, k), with history='both' (b, 2, k)", optional=True),),
        parameters=(
            "h*query_size + h + h*key_size + h*filters + n*filters*kernel_size + h"
            " where h = query_size if hidden_size is None else hidden_size; n = 1 + (history == 'both')"
        ),
    )

    def __init__(
        self,
        query_size: int,
        key_size: int,
        *,
        hidden_size: int | None = None,
        filters: int = 10,
        kernel_size: int = 201,
        history: Literal["last", "sum", "both"] = "last",
        first: First = "first",
        normaliser: Literal["softmax", "sigmoid"] = "softmax",
        sharpness: float = 1.0,
    ) -> None:
        super().__init__(query_size, key_size)
        hidden = query_size if hidden_size is None else at_least("location_aware", "hidden_size", hidden_size, 1)
        filters, width = (
            at_least("location_aware", "filters", filters, 1),
            odd("location_aware", "kernel_size", kernel_size),
        )
        self.history, self.first, self.normaliser = history, first, normaliser
        self.sharpness = positive("location_aware", "sharpness", sharpness)
        self.query = Linear(query_size, hidden)
        self.key = Linear(key_size, hidden, bias=False)
        self.location = Linear(filters, hidden, bias=False)
        self.filters = Conv1d(1 + (history == "both"), filters, width, padding=width // 2, bias=False)
        self.score = Linear(hidden, 1, bias=False)
        self.alignment = Tap("alignment", shares="source")

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
        """Attends to the keys by the query; the state is where it looked."""
        asked = ask(self, query, keys, values, mask)
        seen = self._seen(asked, state)
        queries, weights, contexts = self.query(asked.query), [], []
        for step, one in enumerate(asked.steps()):
            seen = one.clear(seen)
            located = self.location(self.filters(seen).transpose(1, 2))
            logits = score_pairs(queries[:, step : step + 1], one.keys + located, self.score.weight[0])
            weights.append(self.alignment(one.share(self._scale(logits))))
            contexts.append(one.gather(weights[-1]))
            seen = self._after(seen, weights[-1])
        return asked.answer(
            torch.cat(contexts, 1),
            torch.cat(weights, 1) if need_weights else None,
            seen if self.history == "both" else seen.squeeze(1),
        )

    def _seen(self, asked: Asked, state: Tensor | None) -> Tensor:
        """(b, n, k): what the filters see."""
        b, k, _ = asked.keys.shape
        both = self.history == "both"
        if state is None:
            return asked.begin(self.first).unsqueeze(1).expand(b, 1 + both, k)
        state = expect_state("location_aware", state, asked.keys, 2 if both else None)
        return state if both else state.unsqueeze(1)

    def _scale(self, logits: Tensor) -> Tensor:
        logits = logits if self.sharpness == 1 else logits * self.sharpness
        return logsigmoid(logits) if self.normaliser == "sigmoid" else logits

    def _after(self, seen: Tensor, weights: Tensor) -> Tensor:
        if self.history == "last":
            return weights
        total = seen[:, -1:] + weights
        return total if self.history == "sum" else torch.cat([weights, total], 1)
