"""The data of a comparison of networks for text, and all that a trial asks of them."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from regard import report, training
from regard.core.batch import TextBatch
from regard.core.errors import RunError
from regard.core.run_record import NetworkRecord, RunRecord
from regard.data import Pairs, Reading, TextCode, TextSource, text_loader
from regard.recipes.arms import Backbone
from regard.recipes.texts import BATCH, open_pairs, text_record, text_task
from regard.training import Recipe, Sequences


@dataclass(frozen=True)
class TextTable:
    """The opened texts of a comparison: their source, the training texts that are used, and their vocabularies."""

    source: TextSource
    train: Pairs
    code: TextCode

    unit = "text"

    def backbone(self, model: str) -> Backbone:
        """Returns the network that all arms share."""
        return Backbone(model, len(self.code.target), len(self.code.source), kind="text")

    def loader(self, pairs: Pairs) -> DataLoader[TextBatch]:
        """Returns batches to score."""
        return text_loader(pairs, self.code, batch_size=BATCH)

    def training_loader(self, recipe: Recipe, seed: int) -> DataLoader[TextBatch]:
        """Returns batches to train on."""
        return text_loader(self.train, self.code, batch_size=recipe.batch_size, seed=seed, shuffle=True)

    def task(self, net: nn.Module, recipe: Recipe | None = None) -> "Sequences":
        """Returns what a network is to do; with a recipe as it is trained."""
        return text_task(self.code, recipe)

    def score(self, net: nn.Module, pairs: Pairs, device: str) -> report.Outcome:
        """Scores a network on texts."""
        found = training.evaluate(net, self.loader(pairs), self.task(net), device=device)
        return report.Outcome(n=found.n, scores=found.scores)

    def record(self, network: NetworkRecord, *, data: str, reading: Reading) -> RunRecord:
        """Returns the record of a network that was trained on these texts."""
        return text_record(network, self.source, self.code, data=data, reading=reading)

    def warnings(self) -> tuple[str, ...]:
        """Returns what may spoil a result."""
        return self.source.warnings

    def examples(self, counts: Sequence[int], device: torch.device) -> list[Tensor]:
        """Returns sources to measure costs with: of the training texts the one of median length, so often."""
        lengths = torch.tensor([len(text) for text in self.train.sources])
        median = int(lengths.argsort(stable=True)[len(lengths) // 2])
        source = torch.tensor(self.code.source.encode([self.train.sources[median]]), device=device)
        return [source.expand(count, -1).contiguous() for count in counts]

    def measurable(self, net: nn.Module) -> nn.Module:
        """Returns the network as costs are measured: it reads sources and writes an answer that is known."""
        lengths = torch.tensor([len(text) for text in self.train.targets])
        median = int(lengths.argsort(stable=True)[len(lengths) // 2])
        (target,) = self.code.target.encode([self.train.targets[median]])
        return Forced(net, len(target))


class Forced(nn.Module):
    """A network for text that writes an answer of given length, for measurements.

    Args:
        net: a `Seq2Seq`.
        symbols: of the answer.
    """

    def __init__(self, net: nn.Module, symbols: int) -> None:
        super().__init__()
        self.net = net
        self.symbols = symbols

    def forward(self, source: Tensor) -> Tensor:
        """Mean logits (b, k) of all symbols, so that a training step has gradients of all of them."""
        lengths = torch.full((source.shape[0],), source.shape[1])
        target = torch.ones(source.shape[0], self.symbols, dtype=torch.int64, device=source.device)
        return self.net(source, lengths, target).mean(1)


def open_text_table(data: str, fingerprint: str | None, texts: int | None, reading: Reading) -> TextTable:
    """Opens the texts of a comparison.

    Args:
        data: the source.
        fingerprint: of the source when the comparison was started; None at its start.
        texts: how many training texts are used; None for all.
        reading: how the source is read.

    Raises:
        RunError: the texts have changed since the comparison was started.
    """
    source = open_pairs(data, reading)
    if fingerprint not in (None, source.fingerprint):
        raise RunError(
            f"{data} contains other texts than when the comparison was started, so its trials would not be comparable: "
            "restore the texts, or choose another --out."
        )
    train = source.splits["train"]
    return TextTable(source, train if texts is None else train.subset(texts, seed=0), TextCode.learn(source))


@contextmanager
def counted_products() -> Iterator[None]:
    """Inside, recurrent layers are made of products that can be counted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the switch warns of GPUs that are not there
        with torch.backends.mkldnn.flags(enabled=False):
            yield
