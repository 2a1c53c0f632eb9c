"""The task of writing a text: the one that another text is to become, or one about an image."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from regard.core.batch import CaptionBatch, TextBatch
from regard.core.draws import Draws
from regard.core.errors import OptionError
from regard.core.look_record import LookRecord
from regard.core.options import at_least, not_negative
from regard.core.scores import Score, Scores
from regard.core.vocabulary import PAD, Vocabulary
from regard.training.recipe import Recipe
from regard.training.tasks.look_loss import LookLoss
from regard.training.tasks.task import LossParts
from regard.training.text_scores import exact, score_texts

Texts = TextBatch | CaptionBatch
"""A batch with texts to write."""


class Written(NamedTuple):
    """The answers of a network to a batch of texts, with its losses.

    Attributes:
        symbols: (b, t) int64, the answers that were found.
        losses: (b,) the sum of the cross-entropies of the target's symbols.
        counts: (b,) how many symbols each target has.
    """

    symbols: Tensor
    losses: Tensor
    counts: Tensor


class Sequences:
    """Texts, or images, with one or more texts each that are right.

    The loss is the mean cross-entropy of the target's symbols. With `forcing` below 1 a step sometimes reads the symbol
    that the network thought likeliest instead of the true one: its share rises linearly from 0 in the first epoch to
    1 - forcing in the last. Bengio, Vinyals, Jaitly, Shazeer: Scheduled Sampling for Sequence Prediction with Recurrent
    Neural Networks, NeurIPS 2015, with a coin for every symbol.

    Args:
        vocabulary: of the texts that are written.
        longest: the most symbols of an answer that is searched for.
        beams: of the search; 1 takes the likeliest symbol each time.
        length_penalty: of the search with several beams.
        smoothing: of the labels in training.
        forcing: the share of true symbols that are read in the last epoch.
        epochs: of the training.
        looks: the parts of the loss that depend on where a network looks at an image; None for texts.

    Raises:
        OptionError: an option out of its range.
    """

    name = "sequences"

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        longest: int,
        beams: int = 1,
        length_penalty: float = 1.0,
        smoothing: float = 0.0,
        forcing: float = 1.0,
        epochs: int = 1,
        looks: LookLoss | None = None,
    ) -> None:
        self.vocabulary = vocabulary
        self.longest = at_least("sequences", "longest", longest, 1)
        self.beams = at_least("sequences", "beams", beams, 1)
        self.length_penalty = not_negative("sequences", "length_penalty", length_penalty)
        self.smoothing, self.forcing, self.epochs = smoothing, forcing, epochs
        self.looks = looks

    @property
    def part_names(self) -> tuple[str, ...]:
        """The names of the parts of its loss."""
        return ("forced",) if self.looks is None else ("forced", "cross_entropy", *self.looks.names)

    @classmethod
    def trained_by(cls, recipe: Recipe, vocabulary: Vocabulary, *, longest: int, images: bool = False) -> "Sequences":
        """The task with the recipe's smoothing, forcing and, for images, weights of the looks.

        Raises:
            OptionError: the recipe has an option that is about classes, or for texts one that is about images.
        """
        usual, looks = Recipe(), None
        if images:
            looks = LookLoss(recipe.coverage, recipe.policy_weight, recipe.policy_entropy)
        for option in ("mixup", "cutmix", "class_weights", "rollouts", *(() if images else ("coverage",))):
            if getattr(recipe, option) != getattr(usual, option):
                raise OptionError(
                    f"recipe: {option}={getattr(recipe, option)} is not allowed with text: it is about images or their "
                    "classes. Leave it out."
                )
        return cls(
            vocabulary,
            longest=longest,
            smoothing=recipe.label_smoothing,
            forcing=recipe.teacher_forcing,
            epochs=recipe.epochs,
            looks=looks,
        )

    def loss(self, net: nn.Module, batch: Texts, draws: Draws) -> LossParts:
        """The mean cross-entropy of the batch's symbols, and the parts that depend on the looks."""
        given, wanted = batch.target[:, :-1], batch.target[:, 1:]
        forced = self._forced(given, draws)
        record = None if self.looks is None else LookRecord(draws.of("looks"))
        asked = {} if record is None else {"record": record}
        logits = net(*batch.network_inputs(), forced, **asked)
        loss = cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=PAD, label_smoothing=self.smoothing)
        share = loss.new_ones(()) if forced is None else forced[wanted != PAD].to(loss.dtype).mean()
        if self.looks is None or record is None:
            return LossParts(loss, {"forced": share})
        losses = cross_entropy(logits.detach().transpose(1, 2), wanted, ignore_index=PAD, reduction="none")
        parts = self.looks.parts(record, losses, wanted != PAD)
        return LossParts(loss + self.looks.total(parts), {"forced": share, "cross_entropy": loss, **parts})

    def _forced(self, given: Tensor, draws: Draws) -> Tensor | None:
        """(b, t) bool, which true symbols are read; None where all are."""
        share = draws.epoch / max(1, self.epochs - 1) * (1 - self.forcing)
        if share <= 0:
            return None
        return draws.of("forced").uniform(given.shape[1]) >= share

    def predict(self, net: nn.Module, batch: Texts) -> Written:
        """The answers that are searched for, and the loss of the true ones."""
        net = getattr(net, "_orig_mod", net)  # a search compiles nothing: its shapes change with every step
        inputs = batch.network_inputs()
        found = net.answer(  # type: ignore[operator]
            *inputs[:-1], beams=self.beams, longest=self.longest, length_penalty=self.length_penalty
        )
        wanted = batch.target[:, 1:]
        logits = net(*inputs)
        losses = cross_entropy(logits.transpose(1, 2), wanted, ignore_index=PAD, reduction="none").sum(1)
        return Written(found.symbols.cpu(), losses.detach().cpu(), (wanted != PAD).sum(1).cpu())

    def right(self, outputs: Written, batch: Texts) -> Tensor:
        """(b,) which answers are one of their references."""
        return torch.tensor(exact(self.texts(outputs), batch.references))

    def texts(self, outputs: Written) -> list[str]:
        """The answers as texts."""
        return self.vocabulary.decode(outputs.symbols.tolist())

    def score(self, outputs: Sequence[Written], batches: Sequence[Texts]) -> Scores:
        """Exact match, errors of symbols and, where targets have words, BLEU and chrF.

        Networks are chosen by the exact match of characters, by the error of phonemes, and else by BLEU.
        """
        texts = [text for said in outputs for text in self.texts(said)]
        references = [right for batch in batches for right in batch.references]
        loss = sum(float(said.losses.sum()) for said in outputs) / sum(int(said.counts.sum()) for said in outputs)
        scores = score_texts(self.vocabulary.units, texts, references)
        lost = Score(name="loss", value=loss, better="lower")
        return Scores(all=(*scores, lost), choice=scores[0].name)

    def to_json(self) -> dict[str, Any]:
        """The task's record."""
        options = {
            "vocabulary": self.vocabulary.to_json(), "longest": self.longest, "beams": self.beams,
            "length_penalty": self.length_penalty,
        }  # fmt: skip
        return {"name": self.name, "options": options, "classes": []}

    @classmethod
    def from_options(cls, options: Mapping[str, Any], where: str) -> "Sequences":
        """The task of a record in the file `where`, see `to_json`."""
        rest = dict(options)
        return cls(Vocabulary.from_json(rest.pop("vocabulary"), where), **rest)
