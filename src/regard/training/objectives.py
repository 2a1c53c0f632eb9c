"""The loss: cross-entropy over classes, or binary cross-entropy over labels; and mixup and CutMix."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms import v2

from regard.core.errors import OptionError
from regard.core.precision import widen
from regard.training.recipe import Recipe


class Objective(nn.Module):
    """The loss of a batch of logits (b, k).

    Args:
        classes: k.
        multi_label: True if labels are (b, k) of 0 and 1, independent of one another, instead of (b,) indices.
        smoothing: label smoothing over all classes (over 0 and 1 with `multi_label`).
        weights: (k,) weight of each class, with `multi_label` of its positive label; None for equal weights.
    """

    weights: Tensor | None

    def __init__(
        self, classes: int, *, multi_label: bool = False, smoothing: float = 0.0, weights: Tensor | None = None
    ) -> None:
        super().__init__()
        self.classes = classes
        self.multi_label = multi_label
        self.smoothing = smoothing
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Computes the mean loss of the batch, in at least float32; labels (b,), or (b, k) shares of the classes."""
        logits = widen(logits)
        if not self.multi_label:
            return functional.cross_entropy(
                logits, labels, weight=self._weights(logits), label_smoothing=self.smoothing
            )
        target = labels.to(logits.dtype) * (1 - self.smoothing) + self.smoothing / 2
        return functional.binary_cross_entropy_with_logits(logits, target, pos_weight=self._weights(logits))

    def _weights(self, logits: Tensor) -> Tensor | None:
        """Returns the weights on the device of the logits."""
        return None if self.weights is None else self.weights.to(logits.device)


def balanced_weights(labels: Tensor, classes: int, *, multi_label: bool = False) -> Tensor:
    """Computes class weights that give every class the same total weight.

    Args:
        labels: (n,) class indices of all training images, or (n, k) of 0 and 1 with `multi_label`.
        classes: k.
        multi_label: as in `Objective`.

    Returns:
        (k,) n / (k n_class), so that the mean weight of an image is 1; with `multi_label` the number of images
        without the label for each one with it. A class without images has weight 1.

    Example:
        >>> balanced_weights(torch.tensor([0, 0, 0, 1]), 2)
        tensor([0.6667, 2.0000])
    """
    if multi_label:
        having = labels.float().sum(0)
        return torch.where(having > 0, (len(labels) - having).clamp(min=1) / having.clamp(min=1), 1.0)
    counts = torch.bincount(labels, minlength=classes).float()
    return torch.where(counts > 0, len(labels) / (classes * counts.clamp(min=1)), 1.0)


def mixer(recipe: Recipe, classes: int, *, multi_label: bool = False) -> nn.Module | None:
    """Returns mixup, CutMix, or a random choice of both, as set in the recipe; None for neither.

    The module takes (images, labels) and returns mixed images and (b, k) shares of the classes.
    """
    made: list[nn.Module] = []
    number = None if multi_label else classes
    if recipe.mixup:
        made.append(v2.MixUp(alpha=recipe.mixup, num_classes=number))
    if recipe.cutmix:
        made.append(v2.CutMix(alpha=recipe.cutmix, num_classes=number))
    return v2.RandomChoice(made) if len(made) > 1 else made[0] if made else None


def objective(recipe: Recipe, classes: int, *, multi_label: bool = False, labels: Tensor | None = None) -> Objective:
    """Returns the recipe's objective; `labels` of all training images are needed with `class_weights="balanced"`."""
    weights = None
    if recipe.class_weights == "balanced":
        if labels is None:
            raise OptionError(
                "recipe: class_weights='balanced' needs the labels of all training images: pass labels= to "
                "Classification.trained_by."
            )
        weights = balanced_weights(labels, classes, multi_label=multi_label)
    return Objective(classes, multi_label=multi_label, smoothing=recipe.label_smoothing, weights=weights)
