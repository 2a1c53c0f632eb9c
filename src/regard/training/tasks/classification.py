"""The task of classifying images, clips or sounds, with one or several labels each."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from regard.core.answers import is_right
from regard.core.batch import ClipBatch, ImageBatch
from regard.core.draws import Draws
from regard.core.errors import OptionError, ShapeError
from regard.core.hard import drawing
from regard.core.scores import PERCENT, Score, Scores
from regard.training.metrics import mean
from regard.training.objectives import Objective, mixer, objective
from regard.training.recipe import Recipe
from regard.training.tasks.by_class import ByClass, by_class
from regard.training.tasks.task import LossParts


class Classification:
    """Images with one class each, or with several; or clips or sounds, whose networks also take their mask.

    Args:
        classes: k names.
        multi_label: True if labels are (b, k) of 0 and 1, independent of one another, instead of (b,) indices.
        objective: loss in training; by default cross-entropy without smoothing or class weights.
        mix: mixes the images and labels of a training batch, or None.
    """

    name = "classification"
    part_names: tuple[str, ...] = ()

    def __init__(
        self,
        classes: Sequence[str],
        *,
        multi_label: bool = False,
        objective: Objective | None = None,
        mix: nn.Module | None = None,
    ) -> None:
        self.classes = tuple(classes)
        self.multi_label = multi_label
        self._plain = Objective(len(self.classes), multi_label=multi_label)
        self._objective = objective or self._plain
        self._mix = mix

    @classmethod
    def trained_by(
        cls, recipe: Recipe, classes: Sequence[str], *, multi_label: bool = False, labels: Tensor | None = None
    ) -> "Classification":
        """Creates the task with the recipe's label smoothing, class weights and mixing.

        Args:
            recipe: the training recipe.
            classes: k names.
            multi_label: as for the class.
            labels: labels of all training images; needed with `class_weights="balanced"`.

        Raises:
            OptionError: the labels are needed and missing.
        """
        return cls(
            classes,
            multi_label=multi_label,
            objective=objective(recipe, len(classes), multi_label=multi_label, labels=labels),
            mix=mixer(recipe, len(classes), multi_label=multi_label),
        )

    def loss(self, net: nn.Module, batch: ImageBatch | ClipBatch, draws: Draws) -> LossParts:
        """The mean cross-entropy of the batch, its images mixed where the task mixes, and what a budget costs."""
        inputs, labels = batch.network_inputs(), batch.labels
        if self._mix is not None and len(batch) > 1:
            if isinstance(batch, ClipBatch):
                raise OptionError("Clips and sounds of unequal length cannot be mixed: train with mix='none'.")
            images, labels = self._mix(*inputs, labels)
            inputs = (images,)
        with drawing(net, draws) as prices:
            logits = net(*inputs)
        return LossParts(self._objective(logits, labels) + sum(prices))

    def predict(self, net: nn.Module, batch: ImageBatch | ClipBatch) -> Tensor:
        """Logits (b, k) in float32.

        Raises:
            ShapeError: the network's output is not (b, k).
        """
        logits = net(*batch.network_inputs())
        if not isinstance(logits, Tensor) or logits.shape != (len(batch), len(self.classes)):
            given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ShapeError(
                f"{type(net).__name__} returned {given} for {len(batch)} images; a classifier must return one row of "
                f"scores for each, ({len(batch)}, {len(self.classes)})."
            )
        return logits.float().cpu()

    def right(self, outputs: Tensor, batch: ImageBatch | ClipBatch) -> Tensor:
        """Returns (b,), True for correct predictions as `core.answers.is_right` defines them."""
        return is_right(outputs, batch.labels.cpu())

    def score(self, outputs: Sequence[Tensor], batches: Sequence[ImageBatch] | Sequence[ClipBatch]) -> Scores:
        """Returns accuracy, loss and scores of the classes; with several labels mean average precision first.

        The loss is the mean cross-entropy, of labels' yes and no with several labels, without smoothing or class
        weights. The order of the images changes nothing.
        """
        logits, labels, _ = in_order(outputs, batches)
        found = self._by_class(logits, labels)
        right = is_right(logits, labels)
        scores = [
            Score(name="accuracy", value=int(right.sum()) / len(right), unit=PERCENT),
            Score(name="loss", value=float(self._plain(logits, labels)), better="lower"),
            Score(name="balanced_accuracy", value=mean(found.recall), unit=PERCENT),
            Score(name="calibration_error", value=found.calibration_error, better="lower", unit=PERCENT),
        ]
        if self.multi_label:
            precision = mean(found.average_precision)
            scores.insert(0, Score(name="mean_average_precision", value=precision, unit=PERCENT))
        return Scores(all=tuple(scores), choice=scores[0].name)

    def by_class(self, outputs: Sequence[Tensor], batches: Sequence[ImageBatch] | Sequence[ClipBatch]) -> ByClass:
        """Computes the scores of each class from the outputs for all batches of a split."""
        return self._by_class(*in_order(outputs, batches)[:2])

    def _by_class(self, logits: Tensor, labels: Tensor) -> ByClass:
        return by_class(logits, labels, self.classes, multi_label=self.multi_label)

    def to_json(self) -> dict[str, Any]:
        """The task's record."""
        return {"name": self.name, "options": {"multi_label": self.multi_label}, "classes": list(self.classes)}


def in_order(
    outputs: Sequence[Tensor], batches: Sequence[ImageBatch] | Sequence[ClipBatch]
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, labels and indices of all batches, on the CPU, by ascending index."""
    logits = torch.cat(list(outputs))
    labels = torch.cat([batch.labels for batch in batches]).cpu()
    indices = torch.cat([batch.indices for batch in batches]).cpu()
    order = torch.argsort(indices)
    return logits[order], labels[order], indices[order]
