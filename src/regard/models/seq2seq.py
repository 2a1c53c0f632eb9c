"""A recurrent network that reads a sequence and writes another one, with attention between the two."""

import inspect
from typing import get_args

import torch
from torch import Tensor, nn

from regard import attention as catalogue
from regard.core.errors import OptionError, ShapeError, UnknownNameError, unknown_name
from regard.core.options import at_least, flag, one_of
from regard.core.spec import Spec
from regard.core.temporal import Temporal
from regard.models.initialisation import initialise
from regard.models.recurrent import Cell, Decoder, Encoded, Encoder, Feed
from regard.models.search import Found, search


class Seq2Seq(nn.Module):
    """Reads a sequence with an encoder and writes another one with a decoder that looks back through attention.

    h_j = [GRU forwards; GRU backwards] of the source
    c_i = attention(s_(i-1), h), s_i = GRU([y_(i-1); c_i], s_(i-1)), p(y_i) = softmax(V tanh(W [s_i; c_i; y_(i-1)]))

    Bahdanau, Cho, Bengio: Neural Machine Translation by Jointly Learning to Align and Translate, ICLR 2015. With
    `feed="readout"` the query is the state after the step, and the readout is fed to the next step, as in Luong, Pham,
    Manning: Effective Approaches to Attention-based Neural Machine Translation, EMNLP 2015, section 3.3. Without
    attention every context is the encoder's last state, as in Cho et al.: Learning Phrase Representations using RNN
    Encoder-Decoder, EMNLP 2014.

    It differs from the papers: the readout is a tanh where Bahdanau et al. have a maxout, the cells are PyTorch's, and
    the first state follows from both directions of the encoder.

    Args:
        source_symbols: size of the vocabulary that is read.
        target_symbols: size of the vocabulary that is written.
        attention: a temporal mechanism, NAME[:option=value,...]; None is the network without.
        embedding: numbers a symbol.
        hidden: units of the decoder, and of each direction of the encoder.
        layers: of the encoder.
        cell: `gru` or `lstm`.
        feed: what a step is fed with besides a symbol: its `context`; the `readout` of the step before; or `nothing`,
            so that all steps of a known answer are computed at once.
        readout: whether a hidden layer reads state, context and symbol before the last layer does; else the last layer
            reads state and context.
        dropout: of embedded symbols, between the encoder's layers and of the readout.

    Raises:
        OptionError: an option out of its range, or a mechanism that is not temporal.

    Example:
        >>> net = Seq2Seq(source_symbols=30, target_symbols=14, attention="additive", hidden=16)
        >>> source, lengths = torch.randint(4, 30, (2, 7)), torch.tensor([7, 5])
        >>> net(source, lengths, torch.randint(4, 14, (2, 3))).shape
        torch.Size([2, 3, 14])
    """

    def __init__(
        self,
        *,
        source_symbols: int,
        target_symbols: int,
        attention: str | Spec | None = "additive",
        embedding: int = 64,
        hidden: int = 128,
        layers: int = 1,
        cell: Cell = "gru",
        feed: Feed = "context",
        readout: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        sizes = {"source_symbols": source_symbols, "target_symbols": target_symbols, "embedding": embedding}
        for name, value in (sizes | {"hidden": hidden, "layers": layers}).items():
            at_least("seq2seq", name, value, 1)
        one_of("seq2seq", "cell", cell, get_args(Cell))
        one_of("seq2seq", "feed", feed, get_args(Feed))
        flag("seq2seq", "readout", readout)
        if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout < 1:
            raise OptionError(f"seq2seq: dropout={dropout!r} is not allowed; it must be a number from 0 to below 1.")
        if feed == "readout" and not readout:
            raise OptionError("seq2seq: feed=readout is not allowed with readout=false: there would be none to feed.")
        self.name = "seq2seq" if attention is None else f"seq2seq with {attention}"
        self.source_symbols, self.target_symbols = source_symbols, target_symbols
        self.encoder = Encoder(
            source_symbols, embedding=embedding, hidden=hidden, layers=layers, cell=cell, dropout=dropout
        )
        size = self.encoder.out_size
        mechanism = None if attention is None else _temporal(attention, hidden, size)
        self.decoder = Decoder(
            target_symbols, embedding=embedding, hidden=hidden, context=size, attention=mechanism, cell=cell, feed=feed,
            readout=readout, dropout=dropout,
        )  # fmt: skip

    def encode(self, source: Tensor, lengths: Tensor, *, packed: bool = True) -> Encoded:
        """Encodes sources (b, s) of these lengths; see `Encoder` for `packed`."""
        self._expect(source, lengths)
        states, last = self.encoder(source, lengths, packed=packed)
        if self.decoder.attention is None:
            return Encoded(None, last)
        mask = torch.arange(source.shape[1], device=source.device) < lengths.to(source.device).unsqueeze(1)
        return Encoded(self.decoder.attention.remember(states, mask=mask), last)

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor, forced: Tensor | None = None) -> Tensor:
        """Logits (b, t, target_symbols) of what follows each symbol of an answer that is known.

        Args:
            source: (b, s) int64, padded.
            lengths: (b,) int64, of the sources.
            target: (b, t) int64, `BEGIN` and the answer, padded.
            forced: see `Decoder.forward`.
        """
        return self.decoder(target, self.encode(source, lengths), forced)

    def answer(
        self, source: Tensor, lengths: Tensor, *, beams: int = 1, longest: int = 100, length_penalty: float = 1.0
    ) -> Found:
        """The answers that are found for sources (b, s) of these lengths; see `models.search.search`."""
        encoded = self.encode(source, lengths)
        return search(self.decoder, encoded, beams=beams, longest=longest, length_penalty=length_penalty)

    def _expect(self, source: Tensor, lengths: Tensor) -> None:
        if source.ndim != 2 or source.dtype != torch.int64 or not source.numel():
            raise ShapeError(
                f"seq2seq: source has shape {tuple(source.shape)} and dtype {source.dtype}; it must be (b, s) int64, "
                "numbers of symbols, with at least one sequence of one symbol."
            )
        if lengths.shape != source.shape[:1] or lengths.dtype != torch.int64:
            raise ShapeError(
                f"seq2seq: lengths have shape {tuple(lengths.shape)} and dtype {lengths.dtype}; for a source of shape "
                f"{tuple(source.shape)} they must be ({source.shape[0]},) int64, each from 1 to {source.shape[1]}."
            )


def _temporal(attention: str | Spec, hidden: int, size: int) -> Temporal:
    found = catalogue.find(Spec.parse(attention).name)
    if found.facts.returns != "context":
        raise OptionError(
            f"seq2seq: attention={str(attention)!r} returns {found.facts.returns}; between an encoder and a decoder it "
            "must return a context, as additive and multiplicative do."
        )
    return catalogue.create(attention, query_size=hidden, key_size=size)


NAME = "seq2seq"
"""The network's name, with options on the same line: `seq2seq:hidden=256,cell=lstm`."""


def create_seq2seq(
    name: str, *, source_symbols: int, target_symbols: int, attention: str | Spec | None = None, seed: int | None = None
) -> Seq2Seq:
    """A new network that reads one sequence and writes another, with random weights.

    Args:
        name: `seq2seq`, with its options after a colon, see `Seq2Seq`.
        source_symbols: size of the vocabulary that is read.
        target_symbols: size of the vocabulary that is written.
        attention: a temporal mechanism with its options, or None.
        seed: see `initialise`; without a seed one is drawn from PyTorch's generator.

    Raises:
        UnknownNameError: no such network or mechanism.
        OptionError: an option that does not exist, or is out of its range.

    Example:
        >>> create_seq2seq("seq2seq:hidden=8", source_symbols=9, target_symbols=9, attention="additive", seed=0).name
        'seq2seq with additive'
    """
    spec = Spec.parse(name)
    if spec.name != NAME:
        raise UnknownNameError(
            f"{unknown_name('network for text', spec.name, [NAME])} Residual networks take images, not text."
        )
    allowed = tuple(inspect.signature(Seq2Seq).parameters)
    for option in spec.options:
        if option not in allowed or option in ("source_symbols", "target_symbols", "attention"):
            raise OptionError(str(unknown_name(f"option of {NAME!r}", option, allowed[3:])))
    net = Seq2Seq(
        source_symbols=source_symbols,
        target_symbols=target_symbols,
        attention=attention,
        **spec.options,  # type: ignore[arg-type]
    )
    initialise(net, int(torch.randint(2**62, ()) if seed is None else seed))
    return net
