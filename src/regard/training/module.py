"""The Lightning module that trains a network on any task."""

from math import isfinite
from typing import Any, cast

import lightning as L
import torch
from torch import Tensor, nn

from regard.core.batch import Batch
from regard.core.draws import Draws
from regard.core.errors import TrainingError
from regard.core.scores import Scores
from regard.core.seeding import key
from regard.training.optimisation import optimizer, schedule
from regard.training.recipe import Recipe
from regard.training.tasks.task import Task

_CHECK_EVERY = 16


class TaskModule(L.LightningModule):
    """Trains `net` with a recipe; stops with a `TrainingError` at a loss that is not a number.

    Args:
        net: a network for the task.
        recipe: settings of the training.
        task: the task to train for.
        steps_per_epoch: number of batches of the training loader.
        seed: random seed of what the task draws.
    """

    def __init__(self, net: nn.Module, recipe: Recipe, task: Task[Any, Any], steps_per_epoch: int, seed: int) -> None:
        super().__init__()
        self.net = net
        self.recipe = recipe
        self.task = task
        self.steps_per_epoch = steps_per_epoch
        self._seed = key(seed, "draws")
        self._share = schedule(recipe, steps_per_epoch)
        # In a tuple, so that a compiled network is not a submodule and the state is that of the network alone.
        self._run = (torch.compile(net) if recipe.compile else net,)
        self._loss_sum = torch.zeros(())
        self._part_sums: dict[str, Tensor] = {}
        self._answers: list[tuple[Any, Batch]] = []

    def on_train_epoch_start(self) -> None:
        """Resets the sums of the loss and of its parts."""
        self._loss_sum = torch.zeros((), device=self.device)
        self._part_sums = {name: torch.zeros((), device=self.device) for name in self.task.part_names}

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Returns the loss of a batch and its parts."""
        draws = Draws(seed=self._seed, indices=batch.indices, epoch=self.current_epoch)
        loss, parts = self.task.loss(cast(nn.Module, self._run[0]), batch, draws)
        self._loss_sum += loss.detach()
        for name, total in self._part_sums.items():
            total += parts[name].detach()
        last = batch_idx + 1 == self.steps_per_epoch
        if last or self.device.type == "cpu" or batch_idx % _CHECK_EVERY == 0:
            self._check(float(self._loss_sum))
        return {"loss": loss, "parts": {name: part.detach() for name, part in parts.items()}}

    def _check(self, loss: float) -> None:
        """Raises an error if the sum of the epoch's losses is not finite; rare on a GPU, as it synchronises."""
        if isfinite(loss):
            return
        raise TrainingError(
            f"The loss became {loss:g} in epoch {self.current_epoch + 1}, at step {self.global_step + 1} with "
            f"learning rate {self.rate_at(self.global_step):.3g}, so the training stopped. Lower the learning rate "
            "(--lr), lengthen the warm-up (--warmup-epochs) or limit the gradient (--clip 1)"
            + ("." if self.recipe.precision == "float32" else ", or compute with --precision float32.")
        )

    def mean_loss(self) -> float:
        """Returns the mean loss of the epoch's steps."""
        return float(self._loss_sum) / self.steps_per_epoch

    def mean_parts(self) -> dict[str, float]:
        """Returns the means of the named parts of the loss over the epoch's steps."""
        return {name: float(total) / self.steps_per_epoch for name, total in self._part_sums.items()}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Stores the outputs of the batch for `validation_scores`."""
        self._answers.append(
            (self.task.predict(cast(nn.Module, self._run[0]), batch), batch.without_inputs().to("cpu"))
        )

    def validation_scores(self) -> Scores:
        """Returns the scores of the outputs since the last call."""
        outputs, batches = zip(*self._answers, strict=True)
        self._answers.clear()
        return self.task.score(outputs, batches)

    def rate_at(self, step: int) -> float:
        """Returns the learning rate of step `step`, counted from 0 (of parameters outside attention mechanisms)."""
        return (self.recipe.lr or 0.0) * self._share(step)

    def configure_optimizers(self) -> Any:
        """Returns the recipe's optimizer and its schedule, which is stepped after every batch."""
        made = optimizer(self.net, self.recipe)
        rate = torch.optim.lr_scheduler.LambdaLR(made, self._share)
        return {"optimizer": made, "lr_scheduler": {"scheduler": rate, "interval": "step"}}
