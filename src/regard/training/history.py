"""The history of a training run: a row for each epoch, and the best epoch's weights if they are kept."""

import csv
import io
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import lightning as L
from torch import Tensor

from regard.core.epochs import Epoch
from regard.core.scores import Scores
from regard.training.module import TaskModule

_COLUMNS = ("epoch", "step", "lr", "train_loss", "seconds")


def to_csv(rows: tuple[Epoch, ...]) -> str:
    """Returns the rows as CSV with a header."""
    flat = [row.numbers() for row in rows]
    text = io.StringIO()
    table = csv.DictWriter(text, list(flat[0]) if flat else list(_COLUMNS), lineterminator="\n")
    table.writeheader()
    table.writerows(flat)
    return text.getvalue()


class History(L.Callback):
    """Stores a row for each epoch and, with `keep="best"`, the best epoch's weights; both are in every checkpoint.

    It must precede the averaging of weights in the list of callbacks, to copy the averaged weights while they are in
    the network.
    """

    def __init__(self) -> None:
        self.rows: tuple[Epoch, ...] = ()
        self.best: dict[str, Tensor] | None = None
        self.best_epoch: int | None = None
        self._best_choice: float | None = None
        self._scores: Scores | None = None
        self._began = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Starts timing the epoch."""
        self._began, self._scores = perf_counter(), None

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Scores the epoch while the network still has the validated weights."""
        assert isinstance(pl_module, TaskModule)
        self._scores = pl_module.validation_scores()
        chosen = self._scores.chosen
        if pl_module.recipe.keep == "best" and chosen.beats(self._best_choice):
            self._best_choice, self.best_epoch = chosen.value, trainer.current_epoch + 1
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in pl_module.net.state_dict().items()}

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Adds the epoch's row."""
        assert isinstance(pl_module, TaskModule)
        row = Epoch(
            epoch=trainer.current_epoch + 1,
            step=trainer.global_step,
            lr=pl_module.rate_at(trainer.global_step - 1),
            train_loss=pl_module.mean_loss(),
            val=self._scores,
            seconds=perf_counter() - self._began,
            parts=pl_module.mean_parts(),
        )
        self.rows = (*self.rows, row)

    def state_dict(self) -> dict[str, Any]:
        """Returns the state for the checkpoint."""
        rows = [row.to_json() for row in self.rows]
        return {"rows": rows, "best": self.best, "best_epoch": self.best_epoch, "best_choice": self._best_choice}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Loads the state from the checkpoint."""
        self.rows = tuple(Epoch.from_json(row) for row in state_dict["rows"])
        self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]
        self._best_choice = state_dict["best_choice"]
