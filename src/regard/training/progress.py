"""A run's progress in a terminal: one bar for the whole run with the time left, and a line for each finished epoch."""

from typing import Any

import lightning as L
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from regard.core.batch import Batch
from regard.core.epochs import Epoch
from regard.training.history import History

_UPDATE_EVERY = 10


class ProgressBar(L.Callback):
    """Shows the run in a terminal.

    Args:
        history: source of each epoch's row; it must precede this in the list of callbacks.
        console: console to print to; only a terminal gets a bar.
    """

    def __init__(self, history: History, console: Console) -> None:
        self.history = history
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps  loss {task.fields[loss]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            refresh_per_second=4,
            transient=True,
        )
        self._task = self._bar.add_task("training", total=None, loss="-")

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Starts the bar at the current step."""
        steps = (trainer.max_epochs or 0) * int(trainer.num_training_batches)
        self._bar.update(self._task, total=steps, completed=trainer.global_step)
        self._bar.start()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Shows the current epoch."""
        self._bar.update(self._task, description=f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Advances the bar."""
        fields = {"loss": f"{float(outputs['loss']):.3f}"} if batch_idx % _UPDATE_EVERY == 0 else {}
        self._bar.update(self._task, advance=1, **fields)  # type: ignore[arg-type]

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Prints a line above the bar."""
        self._bar.console.print(line(self.history.rows[-1], trainer.max_epochs or 0), highlight=False, markup=False)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Removes the bar."""
        self._bar.stop()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Removes the bar when the run stops with an error."""
        self._bar.stop()


def line(row: Epoch, epochs: int) -> str:
    """Formats the line of a finished epoch: the chosen score and the next one.

    >>> from regard.core import Score, Scores
    >>> scores = (Score(name="accuracy", value=0.8123, unit="%"), Score(name="loss", value=0.4, better="lower"))
    >>> val = Scores(all=scores, choice="accuracy")
    >>> line(Epoch(epoch=3, step=90, lr=0.1, train_loss=0.5, val=val, seconds=12.3), 10)
    'epoch  3/10  loss 0.500  validation: accuracy 81.2 %, loss 0.400  12.3 s'
    """
    parts = [f"epoch {row.epoch:>{len(str(epochs))}}/{epochs}", f"loss {row.train_loss:.3f}"]
    if row.val is not None:
        others = [score for score in row.val if score.name != row.val.choice]
        parts.append(f"validation: {', '.join(map(str, (row.val.chosen, *others[:1])))}")
    return "  ".join((*parts, f"{row.seconds:.1f} s"))
