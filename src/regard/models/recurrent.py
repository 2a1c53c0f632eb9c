"""The two halves of a recurrent network between sequences: an encoder that reads and a decoder that writes."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from regard.core.look_record import LookRecord
from regard.core.precision import widen
from regard.core.returns import Memory
from regard.core.temporal import Temporal
from regard.core.vocabulary import PAD
from regard.models.look_back import LookBack

Cell = Literal["gru", "lstm"]
Feed = Literal["context", "readout", "nothing"]


class Encoded(NamedTuple):
    """The result of an encoder, which a decoder reads.

    Attributes:
        memory: what attention looks at; None without attention.
        last: (b, d) the last state of each direction, or the mean of all positions of an image.
        record: receives what the decoder looks at in a pass over known answers; None where nobody asks.
    """

    memory: Memory | None
    last: Tensor
    record: LookRecord | None = None


class State(NamedTuple):
    """The state of a decoder after a step; each tensor's first axis is the batch.

    Attributes:
        hidden: (b, h) of the recurrent layer.
        cell: (b, h) of an LSTM, else None.
        fed: (b, h) the readout that the next step is fed with; None where it is fed with another thing.
        attention: the state of a mechanism that has one.
    """

    hidden: Tensor
    cell: Tensor | None
    fed: Tensor | None
    attention: Tensor | None


class Encoder(nn.Module):
    """Reads sequences in both directions.

    Args:
        symbols: of the vocabulary.
        embedding: numbers a symbol.
        hidden: units of each direction.
        layers: one upon another.
        cell: of the recurrent layers.
        dropout: of the embedded symbols, and between layers.
    """

    def __init__(
        self, symbols: int, *, embedding: int, hidden: int, layers: int = 1, cell: Cell = "gru", dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(symbols, embedding, padding_idx=PAD)
        self.drop = nn.Dropout(dropout)
        recurrent = nn.GRU if cell == "gru" else nn.LSTM
        between = dropout if layers > 1 else 0.0
        self.recurrent = recurrent(embedding, hidden, layers, batch_first=True, bidirectional=True, dropout=between)
        self.out_size = 2 * hidden

    def forward(self, source: Tensor, lengths: Tensor, *, packed: bool = True) -> tuple[Tensor, Tensor]:
        """States (b, s, 2 hidden), zero behind each end, and the last ones (b, 2 hidden).

        Args:
            source: (b, s) numbers of symbols.
            lengths: (b,) from 1 to s.
            packed: whether padding is left out of the computation. Without, the results are the same but for rounding,
                and the graph can be exported: no operator depends on the lengths.
        """
        x = self.drop(self.embed(source))
        if not packed:
            return self._masked(x, lengths.to(source.device))
        sequence = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, last = self.recurrent(sequence)
        last = last[0] if isinstance(last, tuple) else last
        padded, _ = pad_packed_sequence(states, batch_first=True, total_length=source.shape[1])
        return padded, torch.cat((last[-2], last[-1]), 1)

    def _masked(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """One layer and direction after the other, over padded sequences; backwards each is turned round in its own
        length, so that what stands behind an end is read after it."""
        steps = torch.arange(x.shape[1], device=x.device).unsqueeze(0)
        end = lengths.unsqueeze(1)
        there = (steps < end).unsqueeze(2)
        turned = torch.where(steps < end, end - 1 - steps, steps).unsqueeze(2)
        x = torch.where(there, x, 0)
        hidden = self.recurrent.hidden_size  # a number, where an export only knows a symbol
        last: list[Tensor] = []
        for layer in range(self.recurrent.num_layers):
            x = self.drop(x) if layer else x
            forward = self._direction(x, f"_l{layer}")
            backward = self._direction(x.gather(1, turned.expand(-1, -1, x.shape[2])), f"_l{layer}_reverse")
            ends = (end - 1).unsqueeze(2).expand(-1, -1, hidden)
            last = [forward.gather(1, ends).squeeze(1), backward.gather(1, ends).squeeze(1)]
            backward = backward.gather(1, turned.expand(-1, -1, hidden))
            x = torch.where(there, torch.cat((forward, backward), 2), 0)
        return x, torch.cat(last, 1)

    def _direction(self, x: Tensor, suffix: str) -> Tensor:
        """All states of one layer in one direction."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        weights = [getattr(self.recurrent, name + suffix) for name in names]
        zero = x.new_zeros(1, x.shape[0], self.recurrent.hidden_size)
        if isinstance(self.recurrent, nn.LSTM):
            return torch.lstm(x, (zero, zero), weights, True, 1, 0.0, False, False, True)[0]
        return torch.gru(x, zero, weights, True, 1, 0.0, False, False, True)[0]


class Decoder(nn.Module):
    """Writes a sequence, symbol by symbol.

    Args:
        symbols: of the vocabulary.
        embedding: numbers a symbol.
        hidden: units.
        context: size of what attention returns, and of the encoder's last state.
        attention: between the two; None gives every step the encoder's last state.
        cell: of the recurrent layer.
        feed: see `Seq2Seq`.
        readout: see `Seq2Seq`.
        dropout: of the embedded symbols and of the readout.
    """

    def __init__(
        self,
        symbols: int,
        *,
        embedding: int,
        hidden: int,
        context: int,
        attention: Temporal | LookBack | None,
        cell: Cell = "gru",
        feed: Feed = "context",
        readout: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.feed = feed
        self.embed = nn.Embedding(symbols, embedding, padding_idx=PAD)
        self.drop = nn.Dropout(dropout)
        self.begin = nn.Linear(context, hidden * (2 if cell == "lstm" else 1))
        fed = {"context": context, "readout": hidden, "nothing": 0}[feed]
        recurrent = nn.GRU if cell == "gru" else nn.LSTM
        self.recurrent = recurrent(embedding + fed, hidden, batch_first=True)
        self.attention = attention
        self.readout = nn.Linear(hidden + context + embedding, hidden) if readout else None
        self.fc = nn.Linear(hidden if readout else hidden + context, symbols)

    def start(self, encoded: Encoded) -> State:
        """The state before the first step."""
        state = torch.tanh(self.begin(encoded.last))
        hidden, cell = state.chunk(2, 1) if isinstance(self.recurrent, nn.LSTM) else (state, None)
        fed = torch.zeros_like(hidden) if self.feed == "readout" else None
        return State(hidden.contiguous(), None if cell is None else cell.contiguous(), fed, None)

    def step(self, symbol: Tensor, encoded: Encoded, state: State) -> tuple[Tensor, State]:
        """Logits (b, symbols) of what follows the symbols (b,), in float32, and the next state."""
        x = self.drop(self.embed(symbol))
        if self.feed == "context":
            context, kept = self._look(state.hidden, encoded, state.attention)
            hidden, cell = self._recur(torch.cat((x, context), 1), state)
        else:
            hidden, cell = self._recur(x if state.fed is None else torch.cat((x, state.fed), 1), state)
            context, kept = self._look(hidden, encoded, state.attention)
        out = self._read(hidden, context, x)
        logits = widen(self.fc(out))
        return logits, State(hidden, cell, out if self.feed == "readout" else None, kept)

    def forward(self, symbols: Tensor, encoded: Encoded, forced: Tensor | None = None) -> Tensor:
        """Logits (b, t, symbols) of what follows each of the symbols (b, t).

        Args:
            symbols: `BEGIN` and the answer.
            encoded: what the encoder made.
            forced: (b, t) bool, True where a step reads the given symbol and not the one it thought likeliest; None
                means everywhere.
        """
        state = self.start(encoded)
        if self.feed == "nothing" and forced is None:
            return self._at_once(symbols, encoded, state)
        found: list[Tensor] = []
        for number, symbol in enumerate(symbols.unbind(1)):
            if forced is not None and number:
                symbol = torch.where(forced[:, number], symbol, found[-1].detach().argmax(1))
            logits, state = self.step(symbol, encoded, state)
            found.append(logits)
        return torch.stack(found, 1)

    def _at_once(self, symbols: Tensor, encoded: Encoded, state: State) -> Tensor:
        """All steps together, where none needs what another one looked at."""
        x = self.drop(self.embed(symbols))
        first = state.hidden.unsqueeze(0)
        hidden, _ = self.recurrent(x, first if state.cell is None else (first, state.cell.unsqueeze(0)))
        context, _ = self._look(hidden, encoded, None)
        return widen(self.fc(self._read(hidden, context, x)))

    def _recur(self, x: Tensor, state: State) -> tuple[Tensor, Tensor | None]:
        before = state.hidden.unsqueeze(0)
        _, after = self.recurrent(x.unsqueeze(1), before if state.cell is None else (before, state.cell.unsqueeze(0)))
        hidden, cell = after if isinstance(after, tuple) else (after, None)
        return hidden.squeeze(0), None if cell is None else cell.squeeze(0)

    def _look(self, query: Tensor, encoded: Encoded, state: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The context of queries (b, h) or (b, t, h), and the state of the mechanism."""
        if self.attention is None or encoded.memory is None:
            last = encoded.last
            return (last if query.ndim == 2 else last.unsqueeze(1).expand(-1, query.shape[1], -1)), None
        if isinstance(self.attention, LookBack):
            context, kept = self.attention(query, encoded.memory, state, encoded.record)
            return context.to(query.dtype), kept
        context, _, kept = self.attention(query, encoded.memory, state=state, need_weights=False)
        return context.to(query.dtype), kept

    def _read(self, hidden: Tensor, context: Tensor, x: Tensor) -> Tensor:
        if self.readout is None:
            return torch.cat((hidden, context), -1)
        return self.drop(torch.tanh(self.readout(torch.cat((hidden, context, x), -1))))
