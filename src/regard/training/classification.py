"""The Lightning module that trains a network to say what is in a picture."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from regard.core.answers import is_right
from regard.core.batch import Batch
from regard.core.errors import TrainingError
from regard.training.metrics import average_precisions, mean
from regard.training.objectives import Objective, mixing
from regard.training.optimisation import optimizer, schedule
from regard.training.recipe import Recipe

_LOOK_EVERY = 16


@dataclass(frozen=True)
class Score:
    """What a validation pass said: mean loss, share of right pictures, mean average precision of several labels."""

    loss: float
    accuracy: float
    mean_average_precision: float | None = None

    @property
    def choice(self) -> float:
        """The number by which `keep="best"` chooses: mean average precision with several labels, else accuracy."""
        return self.accuracy if self.mean_average_precision is None else self.mean_average_precision


class Classification(L.LightningModule):
    """Trains `net` with a recipe; stops with a `TrainingError` at a loss that is not a number.

    Args:
        net: from pictures (b, c, h, w) to logits (b, k).
        recipe: how it is trained.
        objective: the loss of a batch.
        steps_per_epoch: batches of the training loader.
    """

    def __init__(self, net: nn.Module, recipe: Recipe, objective: Objective, steps_per_epoch: int) -> None:
        super().__init__()
        self.net = net
        self.recipe = recipe
        self.objective = objective
        self.steps_per_epoch = steps_per_epoch
        self._share = schedule(recipe, steps_per_epoch)
        self._mix = mixing(recipe, objective.classes, multi_label=objective.multi_label)
        self._plain = Objective(objective.classes, multi_label=objective.multi_label)
        self._compiled: Callable[[Tensor], Tensor] | None = torch.compile(net.forward) if recipe.compile else None
        self._loss_sum = torch.zeros(())
        self._answers: list[tuple[Tensor, Tensor]] = []

    def forward(self, images: Tensor) -> Tensor:
        """Logits (b, k) of pictures (b, c, h, w)."""
        if self.recipe.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        logits: Tensor = (self._compiled or self.net)(images)
        return logits

    def on_train_epoch_start(self) -> None:
        """Starts the epoch's mean loss."""
        self._loss_sum = torch.zeros((), device=self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        images, labels = batch.images, batch.labels
        if self._mix is not None and len(images) > 1:
            images, labels = self._mix(images, labels)
        loss: Tensor = self.objective(self(images), labels)
        self._loss_sum += loss.detach()
        last = batch_idx + 1 == self.steps_per_epoch
        if last or self.device.type == "cpu" or batch_idx % _LOOK_EVERY == 0:
            self._check(float(self._loss_sum))
        return loss

    def _check(self, loss: float) -> None:
        """Looks at the sum of the epoch's losses, which one bad loss spoils; a GPU is asked only now and then."""
        if isfinite(loss):
            return
        raise TrainingError(
            f"The loss became {loss:g} in epoch {self.current_epoch + 1}, at step {self.global_step + 1} with "
            f"learning rate {self.rate_at(self.global_step):.3g}, so the training stopped. Lower the learning rate "
            "(--lr), lengthen the warm-up (--warmup-epochs) or limit the gradient (--clip 1)"
            + ("." if self.recipe.precision == "float32" else ", or compute with --precision float32.")
        )

    def mean_loss(self) -> float:
        """The mean loss of the epoch's steps."""
        return float(self._loss_sum) / self.steps_per_epoch

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keeps the batch's answers for `validated`."""
        self._answers.append((self(batch.images).float(), batch.labels))

    def validated(self) -> Score:
        """The score of the answers since the last call."""
        logits, labels = (torch.cat(parts) for parts in zip(*self._answers, strict=True))
        self._answers.clear()
        loss = float(self._plain(logits, labels))
        several = self.objective.multi_label
        right = is_right(logits, labels)
        precision = mean(average_precisions(torch.sigmoid(logits), labels)) if several else None
        return Score(loss, int(right.sum()) / len(right), precision)

    def rate_at(self, step: int) -> float:
        """The learning rate of step `step`, counted from 0 (of parameters outside attention mechanisms)."""
        return (self.recipe.lr or 0.0) * self._share(step)

    def configure_optimizers(self) -> Any:
        """The recipe's optimizer, its learning rate changed after every step."""
        made = optimizer(self.net, self.recipe)
        rate = torch.optim.lr_scheduler.LambdaLR(made, self._share)
        return {"optimizer": made, "lr_scheduler": {"scheduler": rate, "interval": "step"}}
