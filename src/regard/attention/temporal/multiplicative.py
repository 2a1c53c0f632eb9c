"""Multiplicative attention, over the whole sequence or inside a window."""

from typing import Literal

import torch
from torch import Tensor, nn

from regard.attention.asking import Asked, ask, memorise
from regard.attention.layers import Linear, sigmoid
from regard.core import Attended, Facts, Input, Memory, OptionError, Paper, ShapeError, Tap, Temporal, widen
from regard.core.options import at_least
from regard.core.products import wide_product
from regard.kernels import score_pairs

Score = Literal["dot", "general", "concat"]
Window = Literal["global", "local_m", "local_p"]

STATE = Input(name="state", shape="(b,) of int64, the steps so far", optional=True)


class Multiplicative(Temporal):
    """Adds up what the keys of a sequence hold, each weighted by its product with the query.

    c = sum over j of a_j v_j, a = softmax over j of e
    e_j = h' s_j with score="dot", h' W s_j with "general", w' tanh(W [h; s_j]) with "concat"

    With a window only the keys with |j - p| <= D are looked at, p rounded down; S is the number of keys, j and the
    step t count from 0:

    p = t with window="local_m"
    p = (S - 1) sigmoid(v' tanh(P h)) with window="local_p", and a_j is multiplied by exp(-(j - p)^2 / (2 (D / 2)^2))

    Luong, Pham, Manning: Effective Approaches to Attention-based Neural Machine Translation, EMNLP 2015, sections 3.1
    and 3.2. h is the query (the decoder's state *after* the step, in the paper), s_j the keys. Padding anywhere is left
    out of j and S. With local_p the weights sum to less than one, as published. While nobody looks, dot and general use
    PyTorch's fused kernel, which makes no weights.

    Args:
        query_size: the size of h.
        key_size: the size of s_j.
        score: `dot`, for queries and keys of one size and without parameters; `general`; or `concat`.
        window: `global`, `local_m` (monotonic) or `local_p` (predictive).
        half_width: D.
        gaussian: local_p multiplies by the Gaussian the `weights`, after the softmax, as in the paper, or the `scores`
            before it, as an option of the authors' code does; then the weights sum to one.
        hidden_size: rows of the W of concat and of P; None means `query_size`.

    Shape:
        query (b, q, dq) or (b, dq), keys (b, k, dk), values (b, k, dv), mask (b, k) or (b, q, k) of bool; context
        (b, q, dv) or (b, dv), weights (b, q, k) or (b, k). The map is (b, q, k). With local_m there is a state (b,) of
        int64, the number of steps so far.

    Raises:
        OptionError: an option out of its range, or dot with two sizes.
        ShapeError: queries, keys, values, a mask or a state that do not fit.

    Example:
        >>> attention = Multiplicative(32, 64, window="local_p", half_width=2)
        >>> context, weights, _ = attention(torch.randn(2, 3, 32), torch.randn(2, 9, 64))
        >>> context.shape, (weights > 0).sum(-1).max().item() <= 5
        (torch.Size([2, 3, 64]), True)
    """

    facts = Facts(
        name="multiplicative",
        family="temporal",
        act="aggregate",
        paper=Paper(
            title="Effective Approaches to Attention-based Neural Machine Translation",
            authors="Minh-Thang Luong and Hieu Pham and Christopher D. Manning",
            year=2015,
            venue="EMNLP",
            identifier="arXiv:1508.04025",
        ),
        authors_code="https://github.com/lmthang/nmt.hybrid",
        departures=(
            "The predicted position is (S - 1) sigmoid(...), so that it is always that of a key, as in the authors' "
            "code; the paper writes S sigmoid(...).",
            "concat is the paper's, with a matrix for the query and one for the keys; the authors' code has none for "
            "the keys.",
            "JoeyNMT 2.3 (general), OpenNMT-py 3.5 (dot, general) and Keras 3.15 (dot) give the same weights from the "
            "same parameters, except where nothing is allowed.",
            "A step whose window is empty gives zeros: where nothing is allowed, or the sequence ended before.",
        ),
        dims=(1,),
        at="decoder",
        returns="context",
        parameters=(
            "(score == 'general')*query_size*key_size + (score == 'concat')*h*(query_size + key_size + 1)"
            " + (window == 'local_p')*h*(query_size + 1) where h = query_size if hidden_size is None else hidden_size"
        ),
    )

    def __init__(
        self,
        query_size: int,
        key_size: int,
        *,
        score: Score = "general",
        window: Window = "global",
        half_width: int = 10,
        gaussian: Literal["weights", "scores"] = "weights",
        hidden_size: int | None = None,
    ) -> None:
        super().__init__(query_size, key_size)
        if score == "dot" and query_size != key_size:
            raise OptionError(
                f"multiplicative: score='dot' is not allowed with query_size={query_size} and key_size={key_size}; it "
                "needs one size for both: take score='general'."
            )
        self.window, self.gaussian = window, gaussian
        self.half_width = at_least("multiplicative", "half_width", half_width, 1)
        hidden = query_size if hidden_size is None else at_least("multiplicative", "hidden_size", hidden_size, 1)
        concat, predicts = score == "concat", window == "local_p"
        self.query = Linear(query_size, hidden, bias=False) if concat else None
        rows = {"dot": None, "general": query_size, "concat": hidden}[score]
        self.key = Linear(key_size, rows, bias=False) if rows else None
        self.score = Linear(hidden, 1, bias=False) if concat else None
        self.predict = Linear(query_size, hidden, bias=False) if predicts else None
        self.position = Linear(hidden, 1, bias=False) if predicts else None
        if window == "local_m":
            self.amend(inputs=(STATE,))
        whole = not predicts or gaussian == "scores"
        self.alignment = Tap("alignment", shares="source" if whole else (), neutral="source")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Evenly between -0.1 and 0.1, as published."""
        for layer in (self.query, self.key, self.score, self.predict, self.position):
            if layer is not None:
                nn.init.uniform_(layer.weight, -0.1, 0.1)

    def remember(self, keys: Tensor, values: Tensor | None = None, mask: Tensor | None = None) -> Memory:
        """W s_j of every key, and the values."""
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
        """Attends to the keys by the query; with local_m the state is the number of steps so far."""
        asked = ask(self, query, keys, values, mask)
        centre, state = self._centre(asked, state)
        positions = None if centre is None else _positions(asked)
        if centre is not None and positions is not None:
            asked = asked.only((positions - centre.detach().floor()).abs() <= self.half_width)
        if self.score is None and self.position is None and not need_weights and not self.alignment.watched:
            return asked.answer(asked.fuse(), None, state)
        logits, bell = self._logits(asked), None
        if self.position is not None and centre is not None and positions is not None:
            bell = torch.exp(-2 * ((positions - centre) / self.half_width).square())
        if bell is not None and self.gaussian == "scores":
            logits, bell = logits * bell, None
        weights = asked.share(logits)
        weights = self.alignment(weights if bell is None else weights * bell)
        return asked.answer(asked.gather(weights), weights if need_weights else None, state)

    def _logits(self, asked: Asked) -> Tensor:
        if self.score is None or self.query is None:
            return wide_product(asked.query, asked.keys.transpose(1, 2))
        return score_pairs(self.query(asked.query), asked.keys, self.score.weight[0])

    def _centre(self, asked: Asked, state: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """The position (b, q, 1) of each window, and the next state."""
        if self.position is not None and self.predict is not None:
            last = _length(asked) - 1
            return sigmoid(self.position(torch.tanh(self.predict(asked.query)))) * last, None
        if self.window != "local_m":
            return None, None
        b, q, _ = asked.query.shape
        if state is None:
            state = torch.zeros(b, dtype=torch.int64, device=asked.query.device)
        elif state.shape != (b,) or state.dtype != torch.int64:
            raise ShapeError(
                f"multiplicative: state has shape {tuple(state.shape)} and dtype {state.dtype}; with window='local_m' "
                f"it must be ({b},) of int64, the number of steps so far: give what the last step returned, or None."
            )
        steps = state[:, None, None] + torch.arange(q, device=state.device)[:, None]
        return widen(steps), state + q


def _positions(asked: Asked) -> Tensor:
    """(1, 1, k), or as the mask: the number of each key among those that are allowed."""
    if asked.allowed is None:
        return torch.arange(asked.keys.shape[1], device=asked.keys.device)[None, None]
    return asked.allowed.cumsum(-1) - 1


def _length(asked: Asked) -> Tensor | int:
    """The number of keys that are allowed, at least 1."""
    if asked.allowed is None:
        return asked.keys.shape[1]
    return asked.allowed.sum(-1, keepdim=True).clamp_min(1)
