"""What a training run remembers of each epoch, and the best epoch's weights where they are to be kept."""

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from time import perf_counter
from typing import Any

import lightning as L
from torch import Tensor

from regard.training.classification import Classification, Score


@dataclass(frozen=True)
class EpochRow:
    """One epoch of a run.

    Attributes:
        epoch: from 1.
        step: steps since the run began.
        lr: learning rate of the epoch's last step.
        train_loss: mean training loss, of the pictures as they were augmented and mixed.
        val_loss: mean loss on the validation pictures, without smoothing or class weights; None without validation.
        val_accuracy: share of validation pictures that are right (with several labels: all of a picture's labels).
        val_map: mean average precision with several labels, else None.
        seconds: training and validation together.
    """

    epoch: int
    step: int
    lr: float
    train_loss: float
    val_loss: float | None
    val_accuracy: float | None
    val_map: float | None
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The row by the names of its columns."""
        return asdict(self)


def to_csv(rows: tuple[EpochRow, ...]) -> str:
    """The rows as CSV with a header."""
    text = io.StringIO()
    table = csv.DictWriter(text, [field.name for field in fields(EpochRow)], lineterminator="\n")
    table.writeheader()
    table.writerows(row.to_json() for row in rows)
    return text.getvalue()


class History(L.Callback):
    """Keeps a row for each epoch and, with `keep="best"`, the best epoch's weights; both are in every checkpoint.

    It must come before the averaging of weights in the list of callbacks: it looks at the validated weights before
    the averaged ones are taken out again.
    """

    def __init__(self) -> None:
        self.rows: tuple[EpochRow, ...] = ()
        self.best: dict[str, Tensor] | None = None
        self.best_epoch: int | None = None
        self._best_choice = float("-inf")
        self._score: Score | None = None
        self._began = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Starts the clock."""
        self._began, self._score = perf_counter(), None

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Scores the epoch while the weights that were validated are in place."""
        assert isinstance(pl_module, Classification)
        self._score = pl_module.validated()
        if pl_module.recipe.keep == "best" and self._score.choice > self._best_choice:
            self._best_choice, self.best_epoch = self._score.choice, trainer.current_epoch + 1
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in pl_module.net.state_dict().items()}

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Adds the epoch's row."""
        assert isinstance(pl_module, Classification)
        score = self._score
        row = EpochRow(
            epoch=trainer.current_epoch + 1,
            step=trainer.global_step,
            lr=pl_module.rate_at(trainer.global_step - 1),
            train_loss=pl_module.mean_loss(),
            val_loss=score.loss if score else None,
            val_accuracy=score.accuracy if score else None,
            val_map=score.mean_average_precision if score else None,
            seconds=perf_counter() - self._began,
        )
        self.rows = (*self.rows, row)

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        rows = [row.to_json() for row in self.rows]
        return {"rows": rows, "best": self.best, "best_epoch": self.best_epoch, "best_choice": self._best_choice}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """From the checkpoint."""
        self.rows = tuple(EpochRow(**row) for row in state_dict["rows"])
        self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]
        self._best_choice = state_dict["best_choice"]
