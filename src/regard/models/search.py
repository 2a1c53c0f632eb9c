"""Finds an answer with a decoder, symbol by symbol: the likeliest symbol each time, or the best of several beams."""

from typing import NamedTuple

import torch
from torch import Tensor

from regard.core.options import at_least, not_negative
from regard.core.returns import Memory
from regard.core.vocabulary import BEGIN, END, PAD
from regard.models.recurrent import Decoder, Encoded, State

_NEVER = -1e30
"""Less than any score; finite, as sums of it are compared."""


class Found(NamedTuple):
    """Answers to a batch.

    Attributes:
        symbols: (b, t) int64, each row up to its `END`, padded with `PAD`.
        scores: (b,) logarithms of the answers' probabilities, divided by their lengths to the power of the penalty.
    """

    symbols: Tensor
    scores: Tensor


@torch.no_grad()
def search(
    decoder: Decoder, encoded: Encoded, *, beams: int = 1, longest: int = 100, length_penalty: float = 1.0
) -> Found:
    """The best answers that beam search finds; with one beam it is greedy.

    Wu et al.: Google's Neural Machine Translation System, 2016, section 7, has the scores divided by a function of the
    length; ours is length ** length_penalty, `END` counted. All sources are searched at once. A source is done when no
    beam that still grows could become better than what is finished.

    Args:
        decoder: of a `Seq2Seq`.
        encoded: the result of its encoder.
        beams: answers of each source that grow side by side.
        longest: the most symbols of an answer, `END` included; an answer that reaches it without an end is taken as it
            is, where there is no finished one.
        length_penalty: 0 prefers short answers, 1 compares by the mean of each symbol.
    """
    at_least("search", "beams", beams, 1)
    at_least("search", "longest", longest, 1)
    not_negative("search", "length_penalty", length_penalty)
    if beams == 1:
        return _greedy(decoder, encoded, longest, length_penalty)
    return _Beams(decoder, encoded, beams, longest, length_penalty).run()


def _greedy(decoder: Decoder, encoded: Encoded, longest: int, penalty: float) -> Found:
    state, rows = decoder.start(encoded), encoded.last.shape[0]
    symbol = torch.full((rows,), BEGIN, device=encoded.last.device)
    done = torch.zeros_like(symbol, dtype=torch.bool)
    score, length, found = encoded.last.new_zeros(rows, dtype=torch.float32), torch.zeros_like(symbol), []
    for _ in range(longest):
        logits, state = decoder.step(symbol, encoded, state)
        best, symbol = _log_probabilities(logits).max(1)
        symbol = torch.where(done, PAD, symbol)
        score = torch.where(done, score, score + best)
        length = length + ~done
        found.append(symbol)
        done = done | (symbol == END)
        if bool(done.all()):
            break
    return Found(torch.stack(found, 1), score / length**penalty)


class _Beams:
    """A search under way: k beams grow for each source, and the best finished answer of each is kept."""

    def __init__(self, decoder: Decoder, encoded: Encoded, beams: int, longest: int, penalty: float) -> None:
        self.decoder, self.beams, self.longest, self.penalty = decoder, beams, longest, penalty
        self.rows, device = encoded.last.shape[0], encoded.last.device
        each = torch.arange(self.rows, device=device).repeat_interleave(beams)
        self.encoded = _chosen(encoded, each)
        self.first = torch.arange(self.rows, device=device).unsqueeze(1) * beams
        self.symbols = torch.full((self.rows * beams, 1), BEGIN, device=device)
        self.scores = torch.full((self.rows, beams), _NEVER, device=device)
        self.scores[:, 0] = 0
        self.best = torch.full((self.rows,), _NEVER, device=device)
        self.answers = torch.full((self.rows, longest), PAD, device=device)

    def run(self) -> Found:
        """Grows until every source is done."""
        state = self.decoder.start(self.encoded)
        for length in range(1, self.longest + 1):
            logits, state = self.decoder.step(self.symbols[:, -1], self.encoded, state)
            origin = self._grow(_log_probabilities(logits), length)
            state = _selected(state, origin)
            # Scores only fall, so that none can end with more than this.
            if bool((self.best >= self.scores[:, 0] / self.longest**self.penalty).all()):
                break
        unfinished = self.best <= _NEVER / 2
        if bool(unfinished.any()):
            grown = self.symbols[self.first[:, 0], 1:]
            self.answers[unfinished, : grown.shape[1]] = grown[unfinished]
            self.best = torch.where(unfinished, self.scores[:, 0] / self.longest**self.penalty, self.best)
        used = max(1, int((self.answers != PAD).any(0).sum()))
        return Found(self.answers[:, :used], self.best)

    def _grow(self, logs: Tensor, length: int) -> Tensor:
        """Takes every beam one symbol on; returns which one each of the new beams came from."""
        count = logs.shape[1]
        total = self.scores.unsqueeze(2) + logs.unflatten(0, (self.rows, self.beams))
        # Twice as many as beams: at most one of each beam's continuations ends it.
        scores, where = total.flatten(1).topk(min(2 * self.beams, self.beams * count), 1)
        beam, symbol = where // count, where % count
        ends = symbol == END
        self._finish(torch.where(ends, scores, _NEVER), beam, length)
        scores, order = torch.where(ends, _NEVER, scores).topk(self.beams, 1)
        origin = (self.first + beam.gather(1, order)).flatten()
        self.scores = scores
        self.symbols = torch.cat((self.symbols[origin], symbol.gather(1, order).view(-1, 1)), 1)
        return origin

    def _finish(self, scores: Tensor, beam: Tensor, length: int) -> None:
        """Keeps the best answers that end now, where they are better than what is kept."""
        score, which = (scores / length**self.penalty).max(1)
        better = (score > self.best) & (scores.amax(1) > _NEVER / 2)
        rows = (self.first[:, 0] + beam.gather(1, which.unsqueeze(1)).squeeze(1))[better]
        self.answers[better] = PAD
        self.answers[better, : length - 1] = self.symbols[rows, 1:]
        self.answers[better, length - 1] = END
        self.best = torch.where(better, score, self.best)


def _log_probabilities(logits: Tensor) -> Tensor:
    """Of every symbol that an answer may hold: neither padding nor a beginning."""
    logs = logits.log_softmax(1)
    logs[:, [PAD, BEGIN]] = _NEVER
    return logs


def _selected(state: State, rows: Tensor) -> State:
    """The states of these rows."""
    hidden, *others = (None if part is None else part.index_select(0, rows) for part in state)
    assert hidden is not None
    return State(hidden, *others)


def _chosen(encoded: Encoded, rows: Tensor) -> Encoded:
    """The encoder's result for these rows."""
    memory = encoded.memory
    if memory is not None:
        keys, values = memory.keys.index_select(0, rows), memory.values.index_select(0, rows)
        memory = Memory(keys, values, None if memory.mask is None else memory.mask.index_select(0, rows))
    return Encoded(memory, encoded.last.index_select(0, rows))
